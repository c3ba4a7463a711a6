//! Who fetches what from where, one folder a provider.
//!
//! A [`Collector`] plans what is wanted of a target and carries each request out; [`gather`] drives
//! it: most volatile first, several at a time, whatever was found leading to further requests.
//! Nothing that was asked for is missing from the case: each request ends in one
//! [`evidence::Acquisition`] with its [`evidence::Outcome`].

pub mod aws;
mod desk;
mod inquiry;

pub use desk::{Clock, Desk};
pub use inquiry::{Inquiry, RawReply, Refusal};

use async_trait::async_trait;
use evidence::{Acquisition, Finding, OpenCase, Outcome, Permission, Request};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

/// Fetches the artifacts of one target.
#[async_trait]
pub trait Collector: Send + Sync {
    /// What is wanted to begin with. What is found may lead to more.
    fn plan(&self) -> Vec<Request>;

    /// Carries one request out. Never fails: what went wrong is the acquisition's outcome.
    async fn collect(&self, desk: &Desk, request: Request) -> Gathered;

    /// Every permission that carrying out any request may need.
    fn permissions(&self) -> Vec<Permission>;
}

/// What one request brought.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// For the case.
    pub acquisition: Acquisition,
    /// Noticed on the way.
    pub findings: Vec<Finding>,
    /// Wanted because of what was found: the layers that a configuration names.
    pub next: Vec<Request>,
}

/// Carries out a collector's plan and everything it leads to, at most `parallel` requests at a
/// time, and records each in the case. What is not done when `time_limit` has passed is recorded
/// as *failed*: a case with a gap, sealed, is worth more than none.
///
/// `parallel` keeps within the provider's limits together with the SDK's own retries: Lambda's
/// control plane answers 15 requests a second in an account and Region.
pub async fn gather(
    collector: &dyn Collector,
    desk: &Desk,
    case: &mut OpenCase,
    parallel: usize,
    time_limit: Duration,
) {
    let mut waiting: BTreeSet<Request> = collector.plan().into_iter().collect();
    let mut asked = waiting.clone();
    let mut done = BTreeSet::new();
    let mut running = FuturesUnordered::new();
    let mut out_of_time = pin!(tokio::time::sleep(time_limit));
    loop {
        while running.len() < parallel.max(1) {
            let Some(request) = waiting.pop_first() else {
                break;
            };
            running.push(collector.collect(desk, request));
        }
        let gathered = tokio::select! {
            biased;
            next = running.next() => match next {
                Some(gathered) => gathered,
                None => return,
            },
            () = &mut out_of_time => break,
        };
        for request in gathered.next {
            if asked.insert(request.clone()) {
                waiting.insert(request);
            }
        }
        done.insert(gathered.acquisition.request.clone());
        record(case, gathered.acquisition, gathered.findings);
    }
    drop(running);
    for request in asked.difference(&done) {
        let unfinished = Acquisition {
            request: request.clone(),
            target: case.target().clone(),
            result: Outcome::Failed {
                why: format!("not finished within {} s", time_limit.as_secs()),
            },
            calls: Vec::new(),
            exhibits: Vec::new(),
        };
        record(case, unfinished, Vec::new());
    }
}

fn record(case: &mut OpenCase, acquisition: Acquisition, findings: Vec<Finding>) {
    tracing::info!(
        case = %case.id(),
        artifact = %acquisition.request,
        outcome = acquisition.result.as_str(),
        why = acquisition.result.why().unwrap_or_default(),
        "collected"
    );
    case.record(acquisition);
    for finding in findings {
        case.find(finding);
    }
}
