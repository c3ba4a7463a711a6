//! Containing a function and releasing it again.
//!
//! A function's [`State`] is what containment may change, aspect by aspect. [`wished`] says what it is
//! to become, [`plan`] how to get there, [`undo`] how to get back; all three are pure. [`Containing`]
//! carries a plan out through a small port ([`Function`]): the function as it is right now is sealed
//! first, then the intent, then each step is made and read back, and what was done is sealed again.
//! What breaks off in between is continued by the next run or undone by a release, for the sealed
//! intent tells what was on its way.

mod aspect;
mod aws;
mod carry;
mod history;
mod ledger;
mod plan;
mod port;
mod preserve;
mod statement;
mod wish;

pub use aspect::{Aspect, State, Unreadable};
pub use aws::LambdaFunction;
pub use carry::{ContainError, Containing, Outcome, Survey};
pub use history::{Containment, History};
pub use ledger::{Intended, Intent, Ledger, Sealing};
pub use plan::{Stand, Step, apply, batches, plan, stand, undo};
pub use port::{Function, Now, Refused};
pub use preserve::{Pieces, pieces};
pub use wish::{Impossible, Restore, Wished, Wishes, wished};
