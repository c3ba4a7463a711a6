//! The way from one state to another, and the way back.

use crate::aspect::{self, Aspect, State};
use evidence::TargetChange;
use serde_json::Value;
use std::fmt;

/// One change. Holds values of the environment: [`Step::told`] is what may be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Step {
    /// Of what.
    pub aspect: Aspect,
    /// As it is; null if there is none.
    pub before: Value,
    /// As it is to be; null if none is.
    pub after: Value,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self.told();
        write!(f, "{}: {} -> {}", told.what, told.before, told.after)
    }
}

impl Step {
    /// As custody and people may see it.
    pub fn told(&self) -> TargetChange {
        TargetChange {
            what: self.aspect.to_string(),
            before: aspect::told(&self.aspect, &self.before),
            after: aspect::told(&self.aspect, &self.after),
            not_done: None,
        }
    }

    /// The way back.
    pub fn undo(&self) -> Self {
        Self {
            aspect: self.aspect.clone(),
            before: self.after.clone(),
            after: self.before.clone(),
        }
    }

    /// Whether it lets the function run more than it does.
    fn lifts(&self) -> bool {
        // No reservation is as much as the account has.
        let most = |value: &Value| value.as_u64().unwrap_or(u64::MAX);
        self.aspect == Aspect::ReservedConcurrency && most(&self.after) > most(&self.before)
    }
}

/// The steps from `from` to `to`: what stops the function first, what lets it run again last. A
/// statement that is another one is taken away and added anew, as Lambda wants it.
pub fn plan(from: &State, to: &State) -> Vec<Step> {
    let mut steps = Vec::new();
    for aspect in from.differences(to) {
        let step = Step {
            before: from.get(&aspect).clone(),
            after: to.get(&aspect).clone(),
            aspect,
        };
        let replaces = !step.before.is_null() && !step.after.is_null();
        if matches!(step.aspect, Aspect::Statement(_)) && replaces {
            steps.push(Step {
                after: Value::Null,
                ..step.clone()
            });
            steps.push(Step {
                before: Value::Null,
                ..step
            });
        } else {
            steps.push(step);
        }
    }
    // Stable: everything else stays in the order of the aspects.
    steps.sort_by_key(Step::lifts);
    steps
}

/// The way back from where `steps` lead.
pub fn undo(steps: &[Step]) -> Vec<Step> {
    steps.iter().rev().map(Step::undo).collect()
}

/// Where `steps` lead.
pub fn apply(steps: &[Step], state: &mut State) {
    for step in steps {
        state.set(step.aspect.clone(), step.after.clone());
    }
}

/// What there is to do about a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// It, or a later one of the same aspect, is done.
    Done,
    /// The function is as it is before the step.
    Next,
    /// The function is neither as before nor as after it: somebody else changed it.
    Other,
}

/// Where a function stands at the step `index` of `steps`.
pub fn stand(steps: &[Step], index: usize, now: &State) -> Stand {
    let Some(step) = steps.get(index) else {
        return Stand::Done;
    };
    let value = now.get(&step.aspect);
    let mut rest = steps.iter().skip(index);
    if rest.any(|later| later.aspect == step.aspect && later.after == *value) {
        Stand::Done
    } else if step.before == *value {
        Stand::Next
    } else {
        Stand::Other
    }
}

/// The steps as calls: settings that follow one another are one update.
pub fn batches(steps: &[Step]) -> impl Iterator<Item = std::ops::Range<usize>> {
    let is_setting = |index: usize| {
        let step = steps.get(index);
        step.is_some_and(|step| matches!(step.aspect, Aspect::Setting(_)))
    };
    // Of one aspect there is one step in a call.
    let is_new = move |from: usize, index: usize| {
        let aspect = steps.get(index).map(|step| &step.aspect);
        let before = steps.get(from..index).unwrap_or_default();
        before.iter().all(|step| Some(&step.aspect) != aspect)
    };
    let mut from = 0;
    std::iter::from_fn(move || {
        if from >= steps.len() {
            return None;
        }
        let mut to = from + 1;
        while is_setting(from) && is_setting(to) && is_new(from, to) {
            to += 1;
        }
        let batch = from..to;
        from = to;
        Some(batch)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// Values that are easily met again: most states share some.
    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            (0..4_u64).prop_map(Value::from),
            "[ab]".prop_map(Value::from),
            "[ab]".prop_map(|name| json!({ name: "secret" })),
        ]
    }

    fn aspects() -> Vec<Aspect> {
        let mut all = vec![
            Aspect::ReservedConcurrency,
            Aspect::Code,
            Aspect::Statement("a".to_owned()),
            Aspect::Statement("b".to_owned()),
        ];
        all.extend(["Environment", "Handler", "Layers"].map(Aspect::Setting));
        all
    }

    fn state() -> impl Strategy<Value = State> {
        prop::collection::vec(value(), aspects().len()).prop_map(|values| {
            let mut state = State::default();
            for (aspect, value) in aspects().into_iter().zip(values) {
                state.set(aspect, value);
            }
            state
        })
    }

    fn after(steps: &[Step], state: &State) -> State {
        let mut state = state.clone();
        apply(steps, &mut state);
        state
    }

    proptest! {
        #[test]
        fn a_plan_leads_there_and_its_undoing_back(a in state(), b in state()) {
            let steps = plan(&a, &b);
            prop_assert_eq!(&after(&steps, &a), &b);
            prop_assert_eq!(&after(&undo(&steps), &b), &a);
            prop_assert_eq!(plan(&a, &a), vec![]);
        }

        #[test]
        fn wherever_a_plan_breaks_off_what_was_done_can_be_undone_or_continued(
            a in state(), b in state(), cut in any::<prop::sample::Index>(),
        ) {
            let steps = plan(&a, &b);
            let done = cut.index(steps.len() + 1);
            let there = after(&steps[..done], &a);
            // Undone: each step back is either next or needs no doing.
            let back = undo(&steps);
            let mut now = there.clone();
            for index in 0..back.len() {
                match stand(&back, index, &now) {
                    Stand::Next => apply(&back[index..=index], &mut now),
                    Stand::Done => {}
                    Stand::Other => prop_assert!(false, "{:?} at {:?}", back[index], now),
                }
            }
            prop_assert_eq!(&now, &a);
            // Continued, likewise.
            let mut now = there;
            for index in 0..steps.len() {
                match stand(&steps, index, &now) {
                    Stand::Next => apply(&steps[index..=index], &mut now),
                    Stand::Done => {}
                    Stand::Other => prop_assert!(false, "{:?} at {:?}", steps[index], now),
                }
            }
            prop_assert_eq!(&now, &b);
        }

        #[test]
        fn two_plans_after_one_another_are_undone_in_one_go(a in state(), b in state(), c in state()) {
            let mut back = undo(&plan(&b, &c));
            back.extend(undo(&plan(&a, &b)));
            prop_assert_eq!(&after(&back, &c), &a);
            let mut now = c;
            for index in 0..back.len() {
                match stand(&back, index, &now) {
                    Stand::Next => apply(&back[index..=index], &mut now),
                    Stand::Done => {}
                    Stand::Other => prop_assert!(false, "{:?}", back[index]),
                }
            }
            prop_assert_eq!(&now, &a);
        }

        #[test]
        fn calls_are_all_steps_in_order(a in state(), b in state()) {
            let steps = plan(&a, &b);
            let all: Vec<usize> = batches(&steps).flatten().collect();
            prop_assert_eq!(all, (0..steps.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_stops_a_function_comes_first_and_what_starts_it_last() {
        let state = |reserved: Value, handler: &str| {
            let mut state = State::default();
            state.set(Aspect::ReservedConcurrency, reserved);
            state.set(Aspect::Setting("Handler"), handler.into());
            state.set(Aspect::Setting("Timeout"), handler.into());
            state
        };
        let steps = plan(&state(Value::Null, "a"), &state(0.into(), "b"));
        assert_eq!(steps[0].aspect, Aspect::ReservedConcurrency);
        assert_eq!(undo(&steps)[2].aspect, Aspect::ReservedConcurrency);
        let calls: Vec<_> = batches(&steps).collect();
        assert_eq!(calls, [0..1, 1..3]);
        let steps = plan(&state(0.into(), "a"), &state(Value::Null, "b"));
        assert_eq!(steps[2].aspect, Aspect::ReservedConcurrency);
    }

    #[test]
    fn what_somebody_else_changed_is_neither_done_nor_next() {
        let mut now = State::default();
        let mut wanted = State::default();
        now.set(Aspect::ReservedConcurrency, 5.into());
        wanted.set(Aspect::ReservedConcurrency, 0.into());
        let steps = plan(&now, &wanted);
        assert_eq!(stand(&steps, 0, &now), Stand::Next);
        assert_eq!(stand(&steps, 0, &wanted), Stand::Done);
        now.set(Aspect::ReservedConcurrency, 7.into());
        assert_eq!(stand(&steps, 0, &now), Stand::Other);
    }

    #[test]
    fn a_step_shows_no_value_of_the_environment() {
        let step = Step {
            aspect: Aspect::Setting("Environment"),
            before: json!({"KEY": "marked-secret"}),
            after: Value::Null,
        };
        assert!(!format!("{step:?}").contains("marked-secret"));
    }
}
