//! One invocation of the function: a batch from the queue, or a responder's own request.

use crate::{Attempt, Incoming, RespondError, Responder};
use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse};
use serde_json::{Value, json};
use std::time::Duration;

/// A message that could not be dealt with is tried again after this long, then twice as long, …
const FIRST_RETRY: Duration = Duration::from_secs(15);

impl Responder {
    /// Answers an invocation. A batch is answered with the messages that failed, so that the queue
    /// delivers those, and only those, again; anything else with what was done.
    pub async fn invoke(&self, payload: Value, attempt: &Attempt) -> Result<Value, RespondError> {
        let Some(messages) = batch(&payload) else {
            let done = self.handle(Incoming::read(payload)?, attempt).await?;
            return Ok(json!(done));
        };
        let mut response = SqsBatchResponse::default();
        for message in messages {
            let id = text(&message["messageId"]);
            let result = match Incoming::read_text(text(&message["body"])) {
                Ok(incoming) => self.handle(incoming, attempt).await,
                Err(error) => Err(error),
            };
            match result {
                Ok(done) => tracing::info!(message_id = id, done = %json!(done), "answered"),
                Err(error) => {
                    tracing::error!(message_id = id, %error, "not answered; the queue delivers it again");
                    self.queue
                        .try_again(text(&message["receiptHandle"]), retry_after(message))
                        .await;
                    let mut failure = BatchItemFailure::default();
                    failure.item_identifier = id.to_owned();
                    response.batch_item_failures.push(failure);
                }
            }
        }
        Ok(json!(response))
    }
}

/// The messages of a batch from the queue.
fn batch(payload: &Value) -> Option<&Vec<Value>> {
    let records = payload.get("Records")?.as_array()?;
    let from_queue = |record: &Value| record["eventSource"] == "aws:sqs";
    (!records.is_empty() && records.iter().all(from_queue)).then_some(records)
}

fn retry_after(message: &Value) -> Duration {
    let received: u32 = text(&message["attributes"]["ApproximateReceiveCount"])
        .parse()
        .unwrap_or(1);
    FIRST_RETRY * 2u32.pow(received.saturating_sub(1).min(6))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
