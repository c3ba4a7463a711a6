//! What the responder needs of the world besides the vault: a queue, somebody to tell, somebody who
//! looks into what happened around a case, somebody who records what a function is.

use crate::Work;
use async_trait::async_trait;
use aws_sdk_sfn::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use aws_smithy_types::error::display::DisplayErrorContext;
use evidence::{CaseId, Window};
use function::Notice;
use serde_json::{Value, json};
use std::time::Duration;

/// Takes work that is to be done in an invocation of its own.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Passes all of it on, or fails; some may have been passed on then, and twice is once.
    async fn send(&self, works: &[Work]) -> Result<(), QueueError>;

    /// Has a message that could not be dealt with delivered again after `wait`, rather than when
    /// its visibility timeout ends. That this fails costs time only.
    async fn try_again(&self, receipt_handle: &str, wait: Duration);
}

/// Work could not be passed on.
#[derive(Debug, thiserror::Error)]
#[error("{count} messages could not be sent to the queue: {cause}")]
pub struct QueueError {
    /// How many, of the first batch that failed.
    pub count: usize,
    /// The service's word.
    pub cause: String,
}

/// Tells somebody.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Sends it.
    async fn notify(&self, notice: &Notice) -> Result<(), String>;
}

/// The stack's own queue.
pub struct SqsQueue {
    /// The client.
    pub client: aws_sdk_sqs::Client,
    /// The queue.
    pub url: String,
}

/// A batch holds ten messages; a message with its record stays below 256 KiB (EventBridge's limit
/// for an event), and a batch below SQS's 1 MiB, with three.
const BATCH: usize = 3;

#[async_trait]
impl Queue for SqsQueue {
    async fn send(&self, works: &[Work]) -> Result<(), QueueError> {
        for batch in works.chunks(BATCH) {
            let failed = |cause: String| QueueError {
                count: batch.len(),
                cause,
            };
            let mut entries = Vec::with_capacity(batch.len());
            for (index, work) in batch.iter().enumerate() {
                let entry = SendMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .message_body(work.to_message())
                    .build()
                    .map_err(|error| failed(error.to_string()))?;
                entries.push(entry);
            }
            let reply = self
                .client
                .send_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries))
                .send()
                .await
                .map_err(|error| failed(DisplayErrorContext(error).to_string()))?;
            if let Some(first) = reply.failed().first() {
                return Err(failed(first.code().to_owned()));
            }
        }
        Ok(())
    }

    async fn try_again(&self, receipt_handle: &str, wait: Duration) {
        let changed = self
            .client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt_handle)
            .visibility_timeout(i32::try_from(wait.as_secs()).unwrap_or(i32::MAX))
            .send()
            .await;
        if let Err(error) = changed {
            tracing::warn!(error = %DisplayErrorContext(error), "delivered again later than wanted");
        }
    }
}

/// The stack's topic; without one, nobody.
pub struct SnsNotifier {
    /// The client.
    pub client: aws_sdk_sns::Client,
    /// The topic.
    pub topic_arn: Option<String>,
}

#[async_trait]
impl Notifier for SnsNotifier {
    async fn notify(&self, notice: &Notice) -> Result<(), String> {
        let Some(topic) = &self.topic_arn else {
            return Ok(());
        };
        self.client
            .publish()
            .topic_arn(topic)
            .subject(&notice.subject)
            .message(&notice.body)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| DisplayErrorContext(error).to_string())
    }
}

/// Looks into the time around a case.
#[async_trait]
pub trait Investigations: Send + Sync {
    /// Has a sealed case investigated, over `window` if one is named. Twice is once.
    async fn start(&self, case: &CaseId, window: Option<Window>) -> Result<(), String>;
}

/// The stack's own state machine; without one, nobody.
pub struct SfnInvestigations {
    /// The client.
    pub client: aws_sdk_sfn::Client,
    /// The state machine.
    pub state_machine_arn: Option<String>,
}

#[async_trait]
impl Investigations for SfnInvestigations {
    async fn start(&self, case: &CaseId, window: Option<Window>) -> Result<(), String> {
        let Some(machine) = &self.state_machine_arn else {
            return Ok(());
        };
        // An execution is named after its case, and its window if one is named.
        let name = match window {
            None => case.to_string(),
            Some(window) => {
                let mark = window.mark();
                let room = EXECUTION_NAME - 1 - mark.len();
                let case: String = case.to_string().chars().take(room).collect();
                format!("{case}-{mark}")
            }
        };
        let input = json!({ "case_id": case, "window": window });
        start_once(&self.client, machine, name, &input).await
    }
}

/// Records what a function is.
#[async_trait]
pub trait Baselines: Send + Sync {
    /// Has the function of a sealed case recorded as good, because its change was expected. Twice is
    /// once.
    async fn refresh(&self, case: &CaseId) -> Result<(), String>;
}

/// The stack's own state machine; without one, nobody.
pub struct SfnBaselines {
    /// The client.
    pub client: aws_sdk_sfn::Client,
    /// The state machine.
    pub state_machine_arn: Option<String>,
}

#[async_trait]
impl Baselines for SfnBaselines {
    async fn refresh(&self, case: &CaseId) -> Result<(), String> {
        let Some(machine) = &self.state_machine_arn else {
            return Ok(());
        };
        let name = case.to_string().chars().take(EXECUTION_NAME).collect();
        let input = json!({ "expected": { "case_id": case } });
        start_once(&self.client, machine, name, &input).await
    }
}

/// How many characters Step Functions takes of an execution's name.
const EXECUTION_NAME: usize = 80;

/// Starts an execution unless there was one of this name: Step Functions takes a name once in 90 days.
async fn start_once(
    client: &aws_sdk_sfn::Client,
    machine: &str,
    name: String,
    input: &Value,
) -> Result<(), String> {
    let started = client
        .start_execution()
        .state_machine_arn(machine)
        .name(name)
        .input(input.to_string())
        .send()
        .await;
    match started {
        Err(error) if error.code() == Some("ExecutionAlreadyExists") => Ok(()),
        Err(error) => Err(DisplayErrorContext(error).to_string()),
        Ok(_) => Ok(()),
    }
}
