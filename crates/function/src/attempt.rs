//! Which invocation does the work, and how much time it has.

use lambda_runtime::Context;
use std::time::SystemTime;
use tokio::time::Instant;

/// One invocation.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The Lambda request id, or a process's own.
    pub id: String,
    /// The function's time limit.
    pub deadline: Instant,
}

impl Attempt {
    /// The invocation that Lambda describes.
    pub fn of(context: &Context) -> Self {
        let left = context.deadline().duration_since(SystemTime::now());
        Self {
            id: context.request_id.clone(),
            deadline: Instant::now() + left.unwrap_or_default(),
        }
    }
}
