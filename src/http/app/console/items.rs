//! The catalog by HTTP: which item, which page, which version; the room `admin` does the rest.

use super::{Wrapped, answer, blocking, number, refuse};
use crate::admin::{
    Action, AdminError, DEFAULT_ROWS, DRY_RUN, Deed, ItemChange, Listed, MAX_ROWS, ValveQuery, overrides_of,
};
use crate::catalog::ItemKind;
use crate::http::app::House;
use crate::http::query;
use crate::http::reply::Reply;
use crate::http::route::console::{Call, Endpoint};
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::IF_MATCH;
use hyper::http::request::Parts;
use serde::Serialize;
use serde_json::Value;

/// A page of a list, as Statsig's Console API has it.
#[derive(Serialize)]
struct Paged<T> {
    message: &'static str,
    data: T,
    pagination: Pagination,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pagination {
    items_per_page: usize,
    page_number: usize,
    total_items: usize,
    /// Paths of the pages beside this one, and of the list without pages.
    next_page: Option<String>,
    previous_page: Option<String>,
    all: String,
}

/// Which page of a list is wanted: items a page, and its number from 1 on.
struct PageQuery {
    limit: usize,
    page: usize,
    /// What else was asked for, as it stood in the address: `search=a&selected=true`.
    filters: String,
}

impl PageQuery {
    fn of(parts: &Parts) -> Result<PageQuery, AdminError> {
        let asked = |name: &str| query::value(parts.uri.query(), name).map(|value| value.into_owned());
        let limit = number(asked("limit"), "limit")?.unwrap_or(DEFAULT_ROWS);
        if !(1..=MAX_ROWS).contains(&limit) {
            return Err(AdminError::refused("invalid_limit", format!("limit must be from 1 to {MAX_ROWS}")));
        }
        match number(asked("page"), "page")?.unwrap_or(1) {
            0 => Err(AdminError::refused("invalid_page", "page must be 1 or more; the first page is 1")),
            page => Ok(PageQuery { limit, page, filters: String::new() }),
        }
    }

    /// Lets the paths of other pages ask for the same.
    fn filtered_by(mut self, parts: &Parts, names: &[&str]) -> PageQuery {
        let pairs = parts.uri.query().unwrap_or_default().split('&');
        let kept = pairs.filter(|pair| names.contains(&pair.split('=').next().unwrap_or_default()));
        self.filters = kept.collect::<Vec<_>>().join("&");
        self
    }

    fn first(&self) -> usize {
        (self.page - 1).saturating_mul(self.limit)
    }

    fn listed(&self, path: &str, listed: Listed) -> Paged<Vec<Value>> {
        self.paged(path, listed.items.len(), listed.total, listed.items)
    }

    /// `shown` of `total` things stand on this page.
    fn paged<T>(&self, path: &str, shown: usize, total: usize, data: T) -> Paged<T> {
        let joined =
            |sign: &str| if self.filters.is_empty() { String::new() } else { format!("{sign}{}", self.filters) };
        let at = |page: usize| format!("{path}?page={page}&limit={}{}", self.limit, joined("&"));
        let more = self.first().saturating_add(shown) < total && shown > 0;
        let pagination = Pagination {
            items_per_page: self.limit,
            page_number: self.page,
            total_items: total,
            next_page: more.then(|| at(self.page + 1)),
            previous_page: (self.page > 1).then(|| at(self.page - 1)),
            all: format!("{path}{}", joined("?")),
        };
        Paged { message: "Listed.", data, pagination }
    }
}

impl House {
    /// What only reads. `part` is the second parameter of the path.
    pub(super) async fn read_items(&self, endpoint: &Endpoint, name: String, part: String, parts: &Parts) -> Reply {
        let admin = self.admin.clone();
        match endpoint.call {
            Call::Items(kind) => match PageQuery::of(parts) {
                Ok(page) => {
                    let (first, limit) = (page.first(), page.limit);
                    let listed = blocking(move || admin.items(kind, first, limit)).await;
                    answer(listed.map(|listed| page.listed(parts.uri.path(), listed)))
                }
                Err(error) => refuse(&error),
            },
            Call::Versions(kind) => match PageQuery::of(parts) {
                Ok(page) => {
                    let (first, limit, name) = (page.first(), page.limit, item_of(kind, name));
                    let listed = blocking(move || admin.versions(kind, &name, first, limit)).await;
                    answer(listed.map(|listed| page.listed(parts.uri.path(), listed)))
                }
                Err(error) => refuse(&error),
            },
            Call::ValveNames => match PageQuery::of(parts).and_then(|page| Ok((page, valve_query(parts)?))) {
                Ok((page, query)) => {
                    let page = page.filtered_by(parts, &["search", "selected"]);
                    let listed = blocking(move || admin.valve_names(&name, &query)).await;
                    answer(listed.map(|mut names| {
                        let total = names.len();
                        names.drain(..page.first().min(total));
                        names.truncate(page.limit);
                        page.paged(parts.uri.path(), names.len(), total, names)
                    }))
                }
                Err(error) => refuse(&error),
            },
            Call::IdList => match PageQuery::of(parts) {
                Ok(page) => {
                    let (first, limit) = (page.first(), page.limit);
                    let listed = blocking(move || admin.id_list(&name, first, limit)).await;
                    answer(listed.map(|listed| {
                        let (shown, total) = (listed.ids.as_ref().map_or(0, Vec::len), listed.count as usize);
                        page.paged(parts.uri.path(), shown, total, listed)
                    }))
                }
                Err(error) => refuse(&error),
            },
            Call::Item(kind) => {
                let name = item_of(kind, name);
                answer(blocking(move || admin.item(kind, &name)).await.map(Wrapped::found))
            }
            Call::Metric => {
                let id = format!("{name}::{part}");
                answer(blocking(move || admin.item(ItemKind::Metric, &id)).await.map(Wrapped::found))
            }
            Call::Rules(kind) => answer(blocking(move || admin.rules(kind, &name)).await.map(Wrapped::found)),
            Call::Rule(kind) => answer(blocking(move || admin.rule(kind, &name, &part)).await.map(Wrapped::found)),
            Call::Overrides(kind) => answer(blocking(move || admin.overrides(kind, &name)).await.map(Wrapped::found)),
            _ => Reply::not_found(),
        }
    }

    /// Lets event names pass an integration or not.
    pub(super) async fn select_names(&self, name: String, author: String, parts: &Parts, incoming: Incoming) -> Reply {
        let version = match wanted_version(parts) {
            Ok(version) => version,
            Err(error) => return refuse(&error),
        };
        let text = match self.text(parts, incoming).await {
            Ok(text) => text,
            Err(reply) => return reply,
        };
        let admin = self.admin.clone();
        let selected = blocking(move || admin.select_names(&name, &text, version, &author)).await;
        answer(selected.map(|data| Wrapped { message: "Updated.", data }))
    }

    /// Makes, changes, removes or acts on an item.
    pub(super) async fn change_item(
        &self,
        endpoint: &Endpoint,
        (kind, deed): (ItemKind, Deed),
        (name, rule): (String, String),
        author: String,
        parts: &Parts,
        body: String,
    ) -> Reply {
        let version = match wanted_version(parts) {
            Ok(version) => version,
            Err(error) => return refuse(&error),
        };
        let change = ItemChange { kind, item: item_of(kind, name), deed, rule, body, version, author };
        let admin = self.admin.clone();
        let mut item = match blocking(move || admin.change_item(&change)).await {
            Ok(item) => item,
            Err(error) => return refuse(&error),
        };
        if let Deed::Act(Action::SetOverrides | Action::AddOverrides | Action::RemoveOverrides) = deed {
            item = overrides_of(kind, &item);
        }
        let dry_run = item.get(DRY_RUN).is_some_and(|is| is == true);
        let message = match deed {
            _ if dry_run => "Checked. Nothing was changed.",
            Deed::Create => "Created.",
            Deed::Remove => "Removed.",
            _ => "Updated.",
        };
        let status = if dry_run { 200 } else { endpoint.status };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        match serde_json::to_vec(&Wrapped { message, data: item }) {
            Ok(json) => Reply::json(status, json),
            Err(error) => refuse(&AdminError::broken("answer", &error)),
        }
    }
}

/// Settings and environments are there once, and their paths do not name them.
fn item_of(kind: ItemKind, name: String) -> String {
    match kind {
        ItemKind::Settings | ItemKind::Environments => kind.as_str().to_owned(),
        _ => name,
    }
}

fn valve_query(parts: &Parts) -> Result<ValveQuery, AdminError> {
    let asked = |name: &str| query::value(parts.uri.query(), name).map(|value| value.into_owned());
    let selected = match asked("selected").as_deref() {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return Err(AdminError::refused("invalid_query", "selected must be true or false")),
    };
    Ok(ValveQuery { search: asked("search"), selected })
}

/// `If-Match: 3` or `If-Match: "3"`: the version that the change was thought out for.
fn wanted_version(parts: &Parts) -> Result<Option<u64>, AdminError> {
    let Some(header) = parts.headers.get(IF_MATCH) else { return Ok(None) };
    let text = header.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let version = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).parse();
    version.map(Some).map_err(|_| {
        AdminError::refused("invalid_version", "If-Match must be the version as the item shows it, such as If-Match: 3")
    })
}
