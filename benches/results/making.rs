//! Making the store: the shop's whole log through the door of the library, each body received when the shop says, so that times of
//! receipt lie weeks back as they do in a store of some age.

use crate::shop::{Shop, What};
use crate::wire::{self, Sdk};
use anyhow::{anyhow, ensure};
use std::collections::VecDeque;
use std::io::{BufWriter, Write};
use std::path::Path;
use weir::config::{Config, Settings};
use weir::event::Timestamp;
use weir::ingest::{self, Arrival, Call};
use weir::server;

/// Bodies that may wait for the disk.
const UNDER_WAY: usize = 64;

/// Fills an empty data directory.
pub fn store(shop: &Shop, data: &Path) -> anyhow::Result<()> {
    let config = Config::resolve(Settings { data: Some(data.to_owned()), ..Settings::default() })?;
    let opened = server::open(&config)?;
    let admin = opened.admin();
    let state = admin.state();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut under_way = VecDeque::new();
    let mut stored = 0;
    for (number, records) in (0u64..).zip(shop.records()?.chunks(wire::TOGETHER)) {
        let last = records.last().map_or(0, |record| record.received);
        let arrival = Arrival::new(Timestamp(shop.scale.start + i64::from(last)), number.into());
        for body in wire::bodies(shop, records, number) {
            let batch = admin.store().new_batch();
            let taken = match body.sdk {
                Sdk::Segment => ingest::segment(&body.json, Call::Many, &arrival, &state.rules, batch),
                Sdk::Statsig => ingest::statsig_log_event(&body.json, &arrival, &state.rules, batch),
            };
            let intake = taken.map_err(|error| anyhow!("body {number}: {}", error.message()))?;
            ensure!(intake.rejected.is_empty(), "body {number}: {:?}", intake.rejected);
            let submission = admin.store().pack(intake.submission);
            under_way.push_back(runtime.block_on(admin.writer().enqueue(submission))?);
            if under_way.len() > UNDER_WAY
                && let Some(first) = under_way.pop_front()
            {
                stored += runtime.block_on(first.wait())?.stored;
            }
        }
    }
    for rest in under_way {
        stored += runtime.block_on(rest.wait())?.stored;
    }
    ensure!(stored == u64::from(shop.scale.events), "{stored} of {} events were stored", shop.scale.events);
    Ok(())
}

/// The same log as two tables for other programs: `exposures.csv` (unit, time, group's place) and `events.csv` (unit, time,
/// name, value, revenue, category).
pub fn tables(shop: &Shop, folder: &Path) -> anyhow::Result<()> {
    let table = |name: &str| std::fs::File::create(folder.join(name)).map(BufWriter::new);
    let (mut exposures, mut events) = (table("exposures.csv")?, table("events.csv")?);
    writeln!(exposures, "unit,time,grp")?;
    writeln!(events, "unit,time,name,value,revenue,category")?;
    for record in shop.records()? {
        let (unit, time) = (wire::user(record.unit), shop.scale.start + i64::from(record.time));
        match shop.what(&record) {
            What::Exposure(group) => writeln!(exposures, "{unit},{time},{group}")?,
            What::Event(event) => {
                let text = |price: Option<crate::shop::Price>| price.map(|it| it.to_string()).unwrap_or_default();
                let (value, revenue) = (text(event.value), text(event.revenue));
                writeln!(
                    events,
                    "{unit},{time},{},{value},{revenue},{}",
                    event.name,
                    event.category.unwrap_or_default()
                )?;
            }
        }
    }
    exposures.flush()?;
    events.flush()?;
    Ok(())
}
