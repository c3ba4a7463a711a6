//! One spelling for one value: JSON as RFC 8785 (JCS) writes it, so that digests can be compared.

use serde::Serialize;
use serde::ser::Error as _;
use serde_json::{Map, Value};

/// Serialises `value` with sorted keys and no white space. Fractions are refused: their canonical
/// spelling is a subject of its own, and nothing in a manifest is one.
pub fn canonical_json<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&sorted(serde_json::to_value(value)?)?)
}

fn sorted(value: Value) -> Result<Value, serde_json::Error> {
    Ok(match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            let mut ordered = Map::new();
            for (name, value) in fields {
                ordered.insert(name, sorted(value)?);
            }
            Value::Object(ordered)
        }
        Value::Array(items) => Value::Array(
            items
                .into_iter()
                .map(sorted)
                .collect::<Result<Vec<_>, _>>()?,
        ),
        Value::Number(number) if number.is_f64() => {
            return Err(serde_json::Error::custom(format!(
                "{number} is a fraction, which canonical JSON does not carry"
            )));
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_at_every_depth_and_nothing_is_spaced() {
        let value = json!({"b": [{"z": 1, "a": "é\u{1}\n"}], "a": null, "10": -7});
        assert_eq!(
            String::from_utf8(canonical_json(&value).unwrap()).unwrap(),
            r#"{"10":-7,"a":null,"b":[{"a":"é\u0001\n","z":1}]}"#
        );
    }

    #[test]
    fn a_fraction_is_refused() {
        assert!(canonical_json(&json!({"a": 0.5})).is_err());
    }

    proptest! {
        #[test]
        fn the_order_of_insertion_leaves_no_trace(fields in prop::collection::btree_map(".{0,8}", any::<i64>(), 0..20)) {
            let forward: Map<String, Value> = fields.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
            let backward: Map<String, Value> = fields.iter().rev().map(|(k, v)| (k.clone(), json!(v))).collect();
            prop_assert_eq!(canonical_json(&forward).unwrap(), canonical_json(&backward).unwrap());
        }
    }
}
