//! Who fetches what from where, one folder a provider.
//!
//! A [`Collector`] plans what is wanted of a target and carries each request out; [`gather`] drives
//! it: most volatile first, several at a time, whatever was found leading to further requests.
//! Nothing that was asked for is missing from the case: each request ends in one
//! [`evidence::Acquisition`] with its [`evidence::Outcome`].

pub mod aws;
pub mod cloudflare;
mod clouds;
mod conclude;
mod desk;
mod facts;
pub mod gcp;
mod inquiry;
mod pace;
mod pages;
mod place;
mod reading;
pub mod rest;
mod spooled;
mod surroundings;

pub use clouds::{Around, Clouds};
pub use conclude::{Concluded, ENTRIES, Observed, Observer, Unobserved, conclude, concluded};
pub use desk::{Desk, Watch, exhibit_name};
pub use facts::Facts;
pub use inquiry::{Inquiry, RawReply, Refusal};
pub use pace::Pace;
pub use reading::{Entry, Page, Reading, Task, read_on};
pub use surroundings::{Carried, Scope, Surroundings, carry, is_settled, stands_alone};

use async_trait::async_trait;
use evidence::{
    Acquisition, ArtifactKind, Call, Finding, OpenCase, Outcome, Permission, Request, Target,
};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use std::collections::{BTreeMap, BTreeSet};
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
    /// Whether something failed in a way that may pass: throttling, a time-out.
    pub transient: bool,
}

/// How a provider's collector fetches one kind of artifact.
type Collect<C> = for<'a> fn(&'a C, &'a mut Inquiry<'_>) -> BoxFuture<'a, ()>;

/// Carries out a request of `target`'s with what its provider has for the artifact; none if this version has nothing.
async fn carry_out<C>(
    collector: &C,
    collect: Option<Collect<C>>,
    desk: &Desk,
    target: &Target,
    request: Request,
) -> Gathered {
    let mut inquiry = Inquiry::new(desk, target, request);
    match collect {
        Some(collect) => {
            let in_time = desk.in_time(collect(collector, &mut inquiry)).await;
            if !in_time {
                inquiry.refuse(Refusal::Failed("cut off: the time was up".to_owned()));
            }
        }
        None => inquiry.refuse(Refusal::Failed(
            "this version of coldcase does not collect it".to_owned(),
        )),
    }
    inquiry.finish().await
}

/// What an artifact needs: actions of AWS, rights of a token.
fn permissions(
    artifact: ArtifactKind,
    actions: &'static [&'static str],
) -> impl Iterator<Item = Permission> {
    actions
        .iter()
        .map(move |action| Permission { action, artifact })
}

/// The most requests of one case. Whoever can make aliases can make thousands.
const MOST_REQUESTS: usize = 500;

/// How long to wait before a request that failed in passing is carried out again. An account's API
/// rate is shared: somebody who floods it must not get a case without code.
const AGAIN_AFTER: [Duration; 3] = [
    Duration::from_secs(2),
    Duration::from_secs(15),
    Duration::from_secs(60),
];

/// Carries out a collector's plan and everything it leads to, at most `parallel` requests at a
/// time, and records each in the case. What is not begun at the desk's deadline is recorded as
/// *failed*: a case with a gap, sealed, is worth more than none.
///
/// `parallel` keeps within the provider's limits together with the SDK's own retries: Lambda's
/// control plane answers 15 requests a second in an account and Region.
pub async fn gather(collector: &dyn Collector, desk: &Desk, case: &mut OpenCase, parallel: usize) {
    let mut waiting: BTreeSet<Request> = collector.plan().into_iter().collect();
    let mut asked = waiting.clone();
    let mut too_many: BTreeMap<ArtifactKind, usize> = BTreeMap::new();
    let mut calls_before: BTreeMap<Request, (usize, Vec<Call>)> = BTreeMap::new();
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < parallel.max(1) && !desk.is_out_of_time() {
            let Some(request) = waiting.pop_first() else {
                break;
            };
            running.push(collector.collect(desk, request));
        }
        let Some(mut gathered) = running.next().await else {
            break;
        };
        let request = gathered.acquisition.request.clone();
        let (tries, before) = calls_before.entry(request.clone()).or_default();
        before.append(&mut gathered.acquisition.calls);
        if gathered.transient
            && let Some(pause) = AGAIN_AFTER.get(*tries)
            && !desk.is_out_of_time_in(*pause)
        {
            *tries += 1;
            running.push(
                async move {
                    tokio::time::sleep(*pause).await;
                    collector.collect(desk, request).await
                }
                .boxed(),
            );
            continue;
        }
        gathered.acquisition.calls = std::mem::take(before);
        for request in gathered.next {
            if asked.len() >= MOST_REQUESTS && !asked.contains(&request) {
                *too_many.entry(request.artifact).or_default() += 1;
            } else if asked.insert(request.clone()) {
                waiting.insert(request);
            }
        }
        record(desk, case, gathered.acquisition, gathered.findings);
    }
    for request in waiting {
        let why = "not asked for: the function's time was up".to_owned();
        record(desk, case, not_collected(case, request, why), Vec::new());
    }
    for (artifact, count) in too_many {
        let request = Request::one(artifact, format!("{count} more"));
        let why = format!("not asked for: more than {MOST_REQUESTS} requests in one case");
        record(desk, case, not_collected(case, request, why), Vec::new());
    }
}

fn not_collected(case: &OpenCase, request: Request, why: String) -> Acquisition {
    Acquisition {
        request,
        target: case.target().clone(),
        result: Outcome::Failed { why },
        calls: Vec::new(),
        exhibits: Vec::new(),
    }
}

fn record(desk: &Desk, case: &mut OpenCase, acquisition: Acquisition, findings: Vec<Finding>) {
    desk.tell(&acquisition);
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
