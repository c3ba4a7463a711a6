//! What a responder wants a function to become.

use crate::aspect::{Aspect, State, is_known};
use crate::statement::Permission;
use serde_json::Value;

/// What a responder asks for; any of it together.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// The function is to run no more: reserved concurrency 0.
    pub stop: bool,
    /// These layers are to be detached: ARNs of layer versions, or of layers in any version.
    pub detach: Vec<String>,
    /// Layers that coldcase detached before: a wish for them is granted already.
    pub detached: Vec<String>,
    /// It is to be as it was recorded.
    pub restore: Option<Restore>,
}

/// A record to restore.
#[derive(Clone, Debug)]
pub struct Restore {
    /// Its number.
    pub record: u32,
    /// The function as it was recorded.
    pub state: State,
    /// Whether the role is restored as well.
    pub with_role: bool,
}

/// What the function is to become.
#[derive(Clone, Debug)]
pub struct Wished {
    /// The state.
    pub state: State,
    /// What stays as it is although it differs from the record, and why.
    pub left: Vec<String>,
}

/// A wish that cannot be granted; nothing is changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// The function does not carry this layer.
    #[error("the function does not carry the layer {layer}; it carries {carried}")]
    NoSuchLayer {
        /// As it was named.
        layer: String,
        /// The layers that it carries, or `none`.
        carried: String,
    },
    /// The code of an image function is no bytes that could be uploaded.
    #[error(
        "the function is an image or was one: its code is restored by deploying the image again, \
             not by coldcase"
    )]
    Image,
}

/// What is no part of a function's own state, and is told whenever a record is restored: a trigger or an
/// alias that an attacker made stays.
const NOT_RESTORED: &str = "aliases, published versions, function URLs, event source mappings and other \
     triggers: not restored";

/// What a function is to become, from what it is.
pub fn wished(now: &State, wishes: &Wishes) -> Result<Wished, Impossible> {
    let mut state = now.clone();
    let mut left = Vec::new();
    if let Some(restore) = &wishes.restore {
        for aspect in now.differences(&restore.state) {
            let (is, was) = (now.get(&aspect), restore.state.get(&aspect));
            match why_left(&aspect, is, was, restore.with_role)? {
                Some(why) => left.push(format!("{aspect}: {why}")),
                None => state.set(aspect.clone(), was.clone()),
            }
        }
        left.push(NOT_RESTORED.to_owned());
    }
    if !wishes.detach.is_empty() {
        let carried: Vec<String> = state.layers().into_iter().map(str::to_owned).collect();
        let mut kept = carried.clone();
        for layer in &wishes.detach {
            let of_any_version = format!("{layer}:");
            let is_named = |arn: &String| {
                arn == layer
                    || arn
                        .strip_prefix(&of_any_version)
                        .is_some_and(|version| version.bytes().all(|it| it.is_ascii_digit()))
            };
            let mut all = carried.iter().chain(&wishes.detached);
            if !all.any(is_named) {
                return Err(Impossible::NoSuchLayer {
                    layer: layer.clone(),
                    carried: match carried.is_empty() {
                        true => "none".to_owned(),
                        false => carried.join(", "),
                    },
                });
            }
            kept.retain(|arn| !is_named(arn));
        }
        let layers = match kept.is_empty() {
            true => Value::Null,
            false => Value::from(kept),
        };
        state.set(Aspect::Setting("Layers"), layers);
    }
    if wishes.stop {
        state.set(Aspect::ReservedConcurrency, 0.into());
    }
    Ok(Wished { state, left })
}

/// Why an aspect is not restored, if it is not.
fn why_left(
    aspect: &Aspect,
    is: &Value,
    was: &Value,
    with_role: bool,
) -> Result<Option<String>, Impossible> {
    Ok(match aspect {
        Aspect::Code if [is, was].iter().any(|code| code["package"] == "Image") => {
            return Err(Impossible::Image);
        }
        Aspect::Setting("Role") if !with_role => Some(
            "restored only with --with-role: the function would be another principal".to_owned(),
        ),
        Aspect::Setting("TracingConfig") => {
            Some("left as it is: coldcase turns tracing on after sealing".to_owned())
        }
        Aspect::Statement(_) => {
            let cannot = [is, was].into_iter().filter(|it| !it.is_null());
            let why = cannot.filter_map(|it| Permission::read(it).err()).next();
            why.map(|why| format!("could not be put back exactly: {why}"))
        }
        aspect if !is_known(aspect, is) || !is_known(aspect, was) => {
            Some("Lambda could not decrypt it".to_owned())
        }
        _ => None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(pairs: &[(Aspect, Value)]) -> State {
        let mut state = State::default();
        for (aspect, value) in pairs {
            state.set(aspect.clone(), value.clone());
        }
        state
    }

    const LAYERS: Aspect = Aspect::Setting("Layers");

    #[test]
    fn a_layer_is_detached_and_the_others_stay_in_order() {
        let now = with(&[(LAYERS, json!(["l:a:1", "l:b:2", "l:c:3"]))]);
        let detach = |layers: &[&str]| {
            let detach = layers.iter().map(|it| (*it).to_owned()).collect();
            let wishes = Wishes {
                detach,
                ..Wishes::default()
            };
            wished(&now, &wishes).map(|it| it.state.get(&LAYERS).clone())
        };
        assert_eq!(detach(&["l:b:2"]), Ok(json!(["l:a:1", "l:c:3"])));
        assert_eq!(detach(&["l:b"]), Ok(json!(["l:a:1", "l:c:3"])));
        assert_eq!(detach(&["l:a:1", "l:b:2", "l:c:3"]), Ok(Value::Null));
        let missing = detach(&["l:b:1"]).unwrap_err();
        assert!(missing.to_string().contains("l:b:2"), "{missing}");
        assert!(detach(&["l"]).is_err());
    }

    fn restore(state: State, with_role: bool) -> Wishes {
        Wishes {
            restore: Some(Restore {
                record: 1,
                state,
                with_role,
            }),
            ..Wishes::default()
        }
    }

    #[test]
    fn a_layer_that_coldcase_detached_before_may_be_named_again() {
        let now = with(&[(LAYERS, json!(["l:a:1"]))]);
        let wishes = Wishes {
            detach: vec!["l:b".to_owned()],
            detached: vec!["l:b:2".to_owned()],
            ..Wishes::default()
        };
        assert_eq!(wished(&now, &wishes).unwrap().state, now);
    }

    #[test]
    fn a_record_is_restored_but_for_role_and_tracing() {
        let role = || Aspect::Setting("Role");
        let tracing = || Aspect::Setting("TracingConfig");
        let record = with(&[
            (Aspect::Setting("Handler"), "a".into()),
            (role(), "r".into()),
            (tracing(), "PassThrough".into()),
        ]);
        let now = with(&[
            (Aspect::Setting("Handler"), "b".into()),
            (role(), "s".into()),
            (tracing(), "Active".into()),
            (Aspect::Setting("Timeout"), 900.into()),
        ]);
        let wished_ = wished(&now, &restore(record.clone(), false)).unwrap();
        assert_eq!(wished_.state.differences(&record), [role(), tracing()]);
        assert_eq!(wished_.left.len(), 3);
        let wished_ = wished(&now, &restore(record.clone(), true)).unwrap();
        assert_eq!(wished_.state.differences(&record), [tracing()]);
    }

    #[test]
    fn a_statement_that_could_not_be_put_back_is_left_and_told() {
        let sid = || Aspect::Statement("a".to_owned());
        let odd = json!({"Sid": "a", "Effect": "Deny", "Principal": "*", "Action": "lambda:*"});
        let now = with(&[(sid(), odd)]);
        let wished_ = wished(&now, &restore(State::default(), false)).unwrap();
        assert_eq!(wished_.state, now);
        assert_eq!(wished_.left.len(), 2);
    }

    #[test]
    fn a_function_that_is_stopped_and_restored_stays_stopped() {
        let record = with(&[(Aspect::ReservedConcurrency, 10.into())]);
        let now = with(&[]);
        let wishes = Wishes {
            stop: true,
            ..restore(record, false)
        };
        let state = wished(&now, &wishes).unwrap().state;
        assert_eq!(state.get(&Aspect::ReservedConcurrency), &json!(0));
    }

    #[test]
    fn an_image_is_not_restored() {
        let now = with(&[(Aspect::Code, json!({"package": "Image", "sha256": "a"}))]);
        let record = with(&[(Aspect::Code, json!({"package": "Image", "sha256": "b"}))]);
        assert_eq!(
            wished(&now, &restore(record, false)).unwrap_err(),
            Impossible::Image
        );
    }
}
