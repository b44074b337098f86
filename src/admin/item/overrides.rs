//! Adding to overrides and taking from them. Works on the lists that a gate's and an experiment's overrides consist of, and
//! knows neither.

use serde_json::{Map, Value};

/// Lists of IDs grow by what is new; an entry with lists of its own grows where one with the same other fields is
/// there, and is appended where there is none.
pub(super) fn add(to: &mut Map<String, Value>, what: &Map<String, Value>) {
    for (name, value) in what {
        match (to.get_mut(name), value) {
            (Some(Value::Array(list)), Value::Array(more)) => more.iter().for_each(|one| add_one(list, one)),
            _ => drop(to.insert(name.clone(), value.clone())),
        }
    }
}

fn add_one(list: &mut Vec<Value>, one: &Value) {
    match (one.as_object(), list.iter_mut().find(|other| is_same(other, one))) {
        (Some(what), Some(Value::Object(found))) => add(found, what),
        (_, Some(_)) => {}
        (_, None) => list.push(one.clone()),
    }
}

/// The contrary of [`add`]. An entry without any ID left goes too.
pub(super) fn remove(from: &mut Map<String, Value>, what: &Map<String, Value>) {
    for (name, value) in what {
        if let (Some(Value::Array(list)), Value::Array(gone)) = (from.get_mut(name), value) {
            gone.iter().for_each(|one| remove_one(list, one));
        }
    }
}

fn remove_one(list: &mut Vec<Value>, one: &Value) {
    let Some(at) = list.iter().position(|other| is_same(other, one)) else { return };
    if let (Value::Object(found), Value::Object(what)) = (&mut list[at], one) {
        remove(found, what);
        if found.values().filter_map(Value::as_array).any(|ids| !ids.is_empty()) {
            return;
        }
    }
    list.remove(at);
}

/// Whether two elements are the same text, or entries that differ in their lists only.
fn is_same(a: &Value, b: &Value) -> bool {
    let plain = |fields: &Map<String, Value>| {
        fields
            .iter()
            .filter(|(_, value)| !value.is_array())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let (a, b): (Map<String, Value>, Map<String, Value>) = (plain(a), plain(b));
            a == b
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_is_added_can_be_taken_away_again() {
        let start = json!({
            "passingUserIDs": ["a"],
            "environmentOverrides": [{"environment": "staging", "passingIDs": ["x"], "failingIDs": []}],
            "overrides": [{"type": "gate", "id": "g", "groupID": "t"}],
        });
        for (what, expected) in [
            (json!({"passingUserIDs": ["a", "b"]}), json!({"passingUserIDs": ["a", "b"]})),
            (json!({"failingUserIDs": ["c"]}), json!({"failingUserIDs": ["c"]})),
            (
                json!({"environmentOverrides": [{"environment": "staging", "passingIDs": ["y"], "failingIDs": ["z"]}]}),
                json!({"environmentOverrides": [{"environment": "staging", "passingIDs": ["x", "y"], "failingIDs": ["z"]}]}),
            ),
            (
                json!({"environmentOverrides": [{"environment": "production", "passingIDs": ["y"], "failingIDs": []}]}),
                json!({"environmentOverrides": [
                    {"environment": "staging", "passingIDs": ["x"], "failingIDs": []},
                    {"environment": "production", "passingIDs": ["y"], "failingIDs": []},
                ]}),
            ),
            (
                json!({"overrides": [{"type": "gate", "id": "g", "groupID": "t"}, {"type": "segment", "id": "s", "groupID": "t"}]}),
                json!({"overrides": [{"type": "gate", "id": "g", "groupID": "t"}, {"type": "segment", "id": "s", "groupID": "t"}]}),
            ),
        ] {
            let mut overrides = map(start.clone());
            add(&mut overrides, &map(what.clone()));
            let mut wanted = map(start.clone());
            wanted.extend(map(expected));
            assert_eq!(overrides, wanted, "{what}");
            remove(&mut overrides, &map(what.clone()));
            for (name, list) in map(what.clone()) {
                for one in list.as_array().unwrap() {
                    let left = overrides[&name].as_array().unwrap();
                    assert!(one.is_object() || !left.contains(one), "{what}: {one} is still there");
                }
            }
        }
        let mut overrides = map(start.clone());
        remove(&mut overrides, &map(json!({"passingUserIDs": ["nobody"], "failingUserIDs": ["a"]})));
        assert_eq!(overrides, map(start.clone()), "what is not there cannot be taken");
        remove(&mut overrides, &map(start));
        assert!(overrides.values().all(|list| list.as_array().unwrap().is_empty()), "{overrides:?}");
    }
}
