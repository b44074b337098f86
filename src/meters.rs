//! Every counter, gauge and histogram of the house, each named once, and their Prometheus text. Only counts: never reads
//! a clock, never decides anything.
//!
//! Adding one is a line in the table at the end of this file: a new member of a family, or a new family.

mod instruments;

pub use instruments::{Counter, Family, Gauge, Histogram, Requests};

use crate::event::Source;

/// Turns the table into the struct `Meters` and its rendering. A family has one HELP and one TYPE line and one or more
/// members; a member is a field, with the labels that tell it from its siblings.
macro_rules! meters {
    (@type counter) => { Counter };
    (@type gauge) => { Gauge };
    (@type histogram) => { Histogram };
    (@type requests) => { Requests };
    (@word requests) => { "counter" };
    (@word $kind:ident) => { stringify!($kind) };
    (@labels) => { "" };
    (@labels $labels:literal) => { $labels };
    ($($kind:ident $family:literal $help:literal { $($field:ident $([$labels:literal])?),+ $(,)? })+) => {
        /// The house's instruments. Shared by reference count; every field may be used from any thread.
        #[derive(Debug, Default)]
        pub struct Meters {
            $($(
                #[doc = $help]
                $(#[doc = concat!(" Labels: `", $labels, "`.")])?
                pub $field: meters!(@type $kind),
            )+)+
        }

        impl Meters {
            /// All instruments in the Prometheus text format, version 0.0.4.
            pub fn render(&self) -> String {
                let mut text = String::with_capacity(8192);
                $(
                    instruments::open_family(&mut text, $family, $help, meters!(@word $kind));
                    $(self.$field.render(&mut text, $family, meters!(@labels $($labels)?));)+
                )+
                text
            }
        }
    };
}

meters! {
    counter "weir_events_received_total" "Events that arrived, whatever became of them." { events_received }
    counter "weir_events_total" "Events by what became of them; the outcomes add up to what was received." {
        events_stored ["outcome=\"stored\""],
        events_duplicate ["outcome=\"duplicate\""],
        events_filtered ["outcome=\"filtered\""],
        events_rejected ["outcome=\"rejected\""],
    }
    counter "weir_events_filtered_total" "Filtered events by source and reason; they add up to the filtered ones." {
        filtered_segment_filter ["source=\"segment\",reason=\"event_filter\""],
        filtered_segment_off ["source=\"segment\",reason=\"integrations_off\""],
        filtered_rudderstack_filter ["source=\"rudderstack\",reason=\"event_filter\""],
        filtered_rudderstack_off ["source=\"rudderstack\",reason=\"integrations_off\""],
        filtered_webhook_filter ["source=\"webhook\",reason=\"event_filter\""],
        filtered_sdk_internal ["source=\"statsig\",reason=\"sdk_internal\""],
    }
    counter "weir_deliveries_turned_away_total" "Requests that a disabled integration turned away; each is one rejected event." {
        turned_away_segment ["source=\"segment\""],
        turned_away_rudderstack ["source=\"rudderstack\""],
        turned_away_webhook ["source=\"webhook\""],
    }
    counter "weir_unknown_id_types_total" "IDs whose type the project does not have; they were left out of their events." {
        unknown_id_types
    }
    requests "weir_http_requests_total" "Requests answered, by family of endpoints and class of status." { requests }
    counter "weir_http_panics_total" "Requests that ended in a panic of ours; each was answered 500." { panics }
    counter "weir_http_connections_total" "Connections by how they were received." {
        connections_accepted ["outcome=\"accepted\""],
        connections_refused ["outcome=\"refused\""],
        connections_failed ["outcome=\"failed\""],
    }
    gauge "weir_http_connections" "Connections that are open now." { connections_open }
    counter "weir_http_timeouts_total" "Connections closed and bodies refused because a deadline passed." {
        timeouts_header ["waiting_for=\"header\""],
        timeouts_body ["waiting_for=\"body\""],
        timeouts_idle ["waiting_for=\"next_request\""],
        timeouts_write ["waiting_for=\"reader\""],
    }
    counter "weir_http_body_bytes_total" "Bytes of bodies as they came over the wire." { body_bytes }
    counter "weir_http_inflated_bytes_total" "Bytes that encoded bodies came to." { inflated_bytes }
    gauge "weir_http_body_memory_bytes" "Bytes of request bodies held in memory now." { body_memory }
    gauge "weir_stream_clients" "Clients that read the live stream now." { stream_clients }
    gauge "weir_queue_submissions" "Submissions that wait for the writer now." { queue_submissions }
    gauge "weir_queue_bytes" "Bytes that wait for the writer now." { queue_bytes }
    counter "weir_commits_total" "Commits by how they ended." {
        commits_done ["outcome=\"done\""],
        commits_failed ["outcome=\"failed\""],
        commits_no_room ["outcome=\"no_room\""],
    }
    histogram "weir_commit_seconds" "Time of a commit, the disk's answer included." { commit_seconds }
    gauge "weir_dedupe_window_seconds" "How far back duplicates are found; less than was asked for when memory is short." {
        dedupe_window_seconds
    }
    gauge "weir_dedupe_keys" "Message fingerprints held in memory." { dedupe_keys }
    gauge "weir_tail_bytes" "Bytes of tail blocks that are not sealed yet." { tail_bytes }
    gauge "weir_list_members" "IDs in all ID lists." { list_members }
    counter "weir_list_members_refused_total" "IDs that found no room in an ID list; their events are stored." {
        list_members_refused
    }
    counter "weir_blocks_sealed_total" "Blocks sealed since the start." { blocks_sealed }
    counter "weir_export_events_total" "Events by what became of them at a destination." {
        export_segment_forwarded ["destination=\"segment\",outcome=\"forwarded\""],
        export_segment_dead_letter ["destination=\"segment\",outcome=\"dead_letter\""],
        export_segment_filtered ["destination=\"segment\",outcome=\"filtered\""],
        export_webhook_forwarded ["destination=\"webhook\",outcome=\"forwarded\""],
        export_webhook_dead_letter ["destination=\"webhook\",outcome=\"dead_letter\""],
        export_webhook_filtered ["destination=\"webhook\",outcome=\"filtered\""],
    }
    counter "weir_export_attempts_total" "Requests to a destination by what they came to." {
        export_segment_attempts_delivered ["destination=\"segment\",outcome=\"delivered\""],
        export_segment_attempts_again ["destination=\"segment\",outcome=\"again\""],
        export_segment_attempts_refused ["destination=\"segment\",outcome=\"refused\""],
        export_segment_attempts_unauthorized ["destination=\"segment\",outcome=\"unauthorized\""],
        export_webhook_attempts_delivered ["destination=\"webhook\",outcome=\"delivered\""],
        export_webhook_attempts_again ["destination=\"webhook\",outcome=\"again\""],
        export_webhook_attempts_refused ["destination=\"webhook\",outcome=\"refused\""],
        export_webhook_attempts_unauthorized ["destination=\"webhook\",outcome=\"unauthorized\""],
    }
    gauge "weir_export_lag_events" "Events that are to be sent to a destination and are not yet." {
        export_segment_lag_events ["destination=\"segment\""],
        export_webhook_lag_events ["destination=\"webhook\""],
    }
    gauge "weir_export_lag_seconds" "How long ago the oldest of those was received." {
        export_segment_lag_seconds ["destination=\"segment\""],
        export_webhook_lag_seconds ["destination=\"webhook\""],
    }
    gauge "weir_export_dead_letters" "Dead letters that are kept now." {
        export_segment_dead_letters ["destination=\"segment\""],
        export_webhook_dead_letters ["destination=\"webhook\""],
    }
    gauge "weir_export_paused" "Whether a destination is paused: 1 or 0." {
        export_segment_paused ["destination=\"segment\""],
        export_webhook_paused ["destination=\"webhook\""],
    }
    gauge "weir_export_first_exposures_unknown" "Exposures that go out although they may not be the first: no more are remembered." {
        export_segment_firsts_unknown ["destination=\"segment\""],
        export_webhook_firsts_unknown ["destination=\"webhook\""],
    }
}

impl Meters {
    /// The counter of events that a source's valve kept out for a reason, if that has one of its own.
    pub fn kept_out(&self, source: Source, reason: &str) -> Option<&Counter> {
        Some(match (source, reason) {
            (Source::Segment, "event_filter") => &self.filtered_segment_filter,
            (Source::Segment, "integrations_off") => &self.filtered_segment_off,
            (Source::Segment, "integration_disabled") => &self.turned_away_segment,
            (Source::Rudderstack, "event_filter") => &self.filtered_rudderstack_filter,
            (Source::Rudderstack, "integrations_off") => &self.filtered_rudderstack_off,
            (Source::Rudderstack, "integration_disabled") => &self.turned_away_rudderstack,
            (Source::Webhook, "event_filter") => &self.filtered_webhook_filter,
            (Source::Webhook, "integration_disabled") => &self.turned_away_webhook,
            (Source::Statsig, "sdk_internal") => &self.filtered_sdk_internal,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_family_is_announced_once_and_lists_all_its_members() {
        let meters = Meters::default();
        meters.events_stored.add(3);
        meters.events_rejected.increment();
        let text = meters.render();
        assert_eq!(text.matches("# TYPE weir_events_total counter\n").count(), 1);
        assert_eq!(text.matches("# HELP weir_events_total ").count(), 1);
        assert!(text.contains("weir_events_total{outcome=\"stored\"} 3\n"));
        assert!(text.contains("weir_events_total{outcome=\"duplicate\"} 0\n"));
        assert!(text.contains("weir_events_total{outcome=\"rejected\"} 1\n"));
        assert!(text.contains("# TYPE weir_dedupe_window_seconds gauge\nweir_dedupe_window_seconds 0\n"));
    }

    #[test]
    fn requests_are_counted_by_family_and_class() {
        let meters = Meters::default();
        meters.requests.count(Family::Segment, 200);
        meters.requests.count(Family::Segment, 204);
        meters.requests.count(Family::Segment, 413);
        let text = meters.render();
        assert!(text.contains("# TYPE weir_http_requests_total counter\n"));
        assert!(text.contains("weir_http_requests_total{family=\"segment\",class=\"2xx\"} 2\n"));
        assert!(text.contains("weir_http_requests_total{family=\"segment\",class=\"4xx\"} 1\n"));
        assert!(text.contains("weir_http_requests_total{family=\"console\",class=\"5xx\"} 0\n"));
    }

    #[test]
    fn a_histogram_cumulates_and_a_bound_belongs_to_its_bucket() {
        let meters = Meters::default();
        for us in [500, 501, 20_000_000] {
            meters.commit_seconds.observe(Duration::from_micros(us));
        }
        let text = meters.render();
        for line in [
            "# TYPE weir_commit_seconds histogram",
            "weir_commit_seconds_bucket{le=\"0.0005\"} 1",
            "weir_commit_seconds_bucket{le=\"0.001\"} 2",
            "weir_commit_seconds_bucket{le=\"10\"} 2",
            "weir_commit_seconds_bucket{le=\"+Inf\"} 3",
            "weir_commit_seconds_sum 20.001001",
            "weir_commit_seconds_count 3",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn every_line_of_the_text_is_one_that_prometheus_reads() {
        let meters = Meters::default();
        meters.connections_open.raise(2);
        meters.connections_open.lower(1);
        let text = meters.render();
        assert!(text.ends_with('\n'));
        for line in text.lines().filter(|l| !l.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').expect("a sample has a name and a value");
            assert!(name.starts_with("weir_"), "{line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
        assert!(text.contains("\nweir_http_connections 1\n"));
    }
}
