//! Cases and records made by hand, in a vault in memory, and a vault that writes down who wrote where.

use ::evidence::{
    Acquisition, ArtifactKind, Category, CustodyAction, Exhibit, OpenCase, Outcome, Request,
    ResourceKind, Responder, SealedCase, Severity, Sha256Digest, Target, Trigger, keys,
};
use async_trait::async_trait;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use vault::{LocalSigner, MemoryVault, Opened, Receipt, SourceError, Vault, VaultError};

pub(crate) const EVENT_AT: &str = "2026-11-23T03:15:01Z";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Keeps in memory, tells where was written, and can be made to hold something else.
#[derive(Default)]
pub(crate) struct Recording {
    inner: MemoryVault,
    pub(crate) written: Mutex<Vec<String>>,
    /// Keys whose content is answered as something else.
    pub(crate) altered: Mutex<Vec<(String, Bytes)>>,
    /// What is in the keys that cannot be written.
    pub(crate) refused: Mutex<Option<&'static str>>,
}

impl Recording {
    fn instead(&self, key: &str) -> Option<Bytes> {
        let altered = self.altered.lock().unwrap();
        let found = altered.iter().find(|(known, _)| known == key);
        found.map(|(_, bytes)| bytes.clone())
    }

    pub(crate) fn alter(&self, key: &str, bytes: impl Into<Bytes>) {
        let entry = (key.to_owned(), bytes.into());
        self.altered.lock().unwrap().push(entry);
    }
}

#[async_trait]
impl Vault for Recording {
    async fn put_once(&self, key: &str, bytes: Bytes, media: &str) -> Result<Receipt, VaultError> {
        let refused = *self.refused.lock().unwrap();
        if refused.is_some_and(|part| key.contains(part)) {
            return Err(VaultError::TooLarge {
                what: key.to_owned(),
                limit_bytes: 0,
            });
        }
        self.written.lock().unwrap().push(key.to_owned());
        self.inner.put_once(key, bytes, media).await
    }

    async fn put_content(
        &self,
        source: &dyn vault::Source,
        limit_bytes: u64,
    ) -> Result<Receipt, VaultError> {
        let receipt = self.inner.put_content(source, limit_bytes).await?;
        self.written.lock().unwrap().push(receipt.key.clone());
        Ok(receipt)
    }

    async fn get(&self, key: &str) -> Result<Bytes, VaultError> {
        match self.instead(key) {
            Some(bytes) => Ok(bytes),
            None => self.inner.get(key).await,
        }
    }

    async fn open(&self, key: &str) -> Result<Opened, VaultError> {
        match self.instead(key) {
            Some(bytes) => Ok(Opened {
                size_bytes: Some(bytes.len() as u64),
                bytes: futures_util::stream::iter([Ok::<_, SourceError>(bytes)]).boxed(),
            }),
            None => self.inner.open(key).await,
        }
    }

    async fn holds(&self, key: &str) -> Result<bool, VaultError> {
        self.inner.holds(key).await
    }

    async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<String>, VaultError> {
        self.inner.list(prefix, limit).await
    }
}

struct Whole(Bytes);

#[async_trait]
impl vault::Source for Whole {
    fn expected(&self) -> Option<Sha256Digest> {
        None
    }

    fn media_type(&self) -> &str {
        "application/zip"
    }

    async fn open(&self) -> Result<Opened, SourceError> {
        Ok(Opened {
            size_bytes: None,
            bytes: futures_util::stream::iter([Ok(self.0.clone())]).boxed(),
        })
    }
}

pub(crate) fn billing() -> Target {
    Target::aws(
        "111122223333",
        "eu-west-1",
        ResourceKind::Function,
        "billing",
    )
}

fn responder() -> Responder {
    Responder {
        program: "coldcase".to_owned(),
        version: "0.1.0".to_owned(),
        identity: "arn:aws:lambda:eu-west-1:111122223333:function:coldcase-respond".to_owned(),
        attempt: "attempt-1".to_owned(),
    }
}

pub(crate) fn changed_by_mallory() -> Trigger {
    Trigger::CloudTrailEvent {
        event_id: "0c0ffee0-1111-2222-3333-444455556666".to_owned(),
        event_name: "UpdateFunctionCode20150331v2".to_owned(),
        occurred_at: at(EVENT_AT),
        category: Category::Code,
        severity: Severity::High,
        technique: "T1648".to_owned(),
        principal: Some("arn:aws:iam::111122223333:user/mallory".to_owned()),
        source_address: Some("198.51.100.7".to_owned()),
    }
}

/// A case that is being written down.
pub(crate) struct Draft {
    pub(crate) vault: Arc<Recording>,
    pub(crate) case: OpenCase,
}

impl Draft {
    pub(crate) fn open(vault: &Arc<Recording>) -> Self {
        Self {
            vault: Arc::clone(vault),
            case: OpenCase::open(
                changed_by_mallory(),
                billing(),
                responder(),
                at("2026-11-23T03:15:05Z"),
            ),
        }
    }

    pub(crate) fn amend(vault: &Arc<Recording>, case: &SealedCase) -> Self {
        Self {
            vault: Arc::clone(vault),
            case: case.amend(responder(), at("2026-11-23T05:00:00Z")),
        }
    }

    fn record(&mut self, request: Request, exhibits: Vec<Exhibit>) {
        let target = self.case.target().clone();
        self.case.record(Acquisition {
            request,
            target,
            result: Outcome::Acquired,
            calls: Vec::new(),
            exhibits,
        });
    }

    async fn exhibit(&self, name: &str, bytes: Bytes, extension: &str, media: &str) -> Exhibit {
        let sha256 = Sha256Digest::of(&bytes);
        let key = keys::exhibit(self.case.id(), name, &sha256, extension);
        let receipt = self.vault.put_once(&key, bytes, media).await.unwrap();
        exhibit(name, receipt, media)
    }

    /// What a call answered, as the collectors keep it.
    pub(crate) async fn reply(mut self, artifact: ArtifactKind, call: &str, reply: Value) -> Self {
        let request = Request::whole(artifact);
        let document = document(&request, call, reply);
        let bytes = Bytes::from(document.to_string());
        let name = artifact.as_str();
        let kept = self.exhibit(name, bytes, "json", "application/json").await;
        self.record(request, vec![kept]);
        self
    }

    /// A package or a layer with the reply that names it.
    pub(crate) async fn package(mut self, request: Request, name: &str, bytes: &[u8]) -> Self {
        let source = Whole(Bytes::copy_from_slice(bytes));
        let receipt = self.vault.put_content(&source, u64::MAX).await.unwrap();
        let reply = document(&request, "lambda:GetFunction", json!({"Code": {}}));
        let reply = self
            .exhibit(
                request.artifact.as_str(),
                reply.to_string().into(),
                "json",
                "application/json",
            )
            .await;
        let package = exhibit(name, receipt, "application/zip");
        self.record(request, vec![reply, package]);
        self
    }

    /// The function's own package.
    pub(crate) async fn code(self, bytes: &[u8]) -> Self {
        let request = Request::whole(ArtifactKind::FunctionCode);
        self.package(request, "function-code.zip", bytes).await
    }

    /// A part of JSON Lines.
    pub(crate) async fn lines(mut self, request: Request, name: &str, lines: &[String]) -> Self {
        let mut file = GzEncoder::new(Vec::new(), Compression::fast());
        for line in lines {
            file.write_all(line.as_bytes()).unwrap();
            file.write_all(b"\n").unwrap();
        }
        let bytes = Bytes::from(file.finish().unwrap());
        let kept = self
            .exhibit(name, bytes, "jsonl.gz", "application/gzip")
            .await;
        self.record(request, vec![kept]);
        self
    }

    pub(crate) fn find(mut self, finding: ::evidence::Finding) -> Self {
        self.case.find(finding);
        self
    }

    pub(crate) async fn seal(mut self, sealed_at: &str) -> SealedCase {
        let collected = CustodyAction::TracingNotWanted;
        self.case.custody(collected, at(sealed_at));
        let draft = self.case.draft(at(sealed_at)).unwrap();
        let signer = LocalSigner::ephemeral().unwrap();
        vault::seal(&*self.vault, &signer, draft).await.unwrap()
    }
}

fn document(request: &Request, call: &str, reply: Value) -> Value {
    json!({
        "artifact": request.artifact,
        "selector": request.selector,
        "target": billing().arn(),
        "replies": [{
            "call": call,
            "about": "billing",
            "received_at": "2026-11-23T03:15:06Z",
            "reply": reply,
        }],
    })
}

fn exhibit(name: &str, receipt: Receipt, media_type: &str) -> Exhibit {
    Exhibit {
        name: name.to_owned(),
        key: receipt.key,
        sha256: receipt.sha256,
        size_bytes: receipt.size_bytes,
        media_type: media_type.to_owned(),
        source: "a test".to_owned(),
        acquired_at: at("2026-11-23T03:15:07Z"),
    }
}

/// A record of the function as good.
pub(crate) async fn baseline(
    vault: &Recording,
    number: u32,
    recorded_at: &str,
    configuration: Value,
    package: Option<&[u8]>,
) {
    let request = Request::whole(ArtifactKind::Configuration);
    let document = document(&request, "lambda:GetFunctionConfiguration", configuration);
    let mut pieces = vec![json!({
        "request": request,
        "result": Outcome::Acquired,
        "documents": [{"name": "configuration", "json": document}],
        "contents": [],
    })];
    if let Some(package) = package {
        let source = Whole(Bytes::copy_from_slice(package));
        let receipt = vault.put_content(&source, u64::MAX).await.unwrap();
        pieces.push(json!({
            "request": Request::whole(ArtifactKind::FunctionCode),
            "result": Outcome::Acquired,
            "documents": [],
            "contents": [{
                "name": "function-code.zip",
                "key": receipt.key,
                "sha256": receipt.sha256,
                "size_bytes": receipt.size_bytes,
            }],
        }));
    }
    let record = json!({
        "function": billing().id_unqualified(),
        "recorded_at": recorded_at,
        "cause": {"why": "sweep"},
        "pieces": pieces,
        "responder": responder(),
    });
    let bytes = Bytes::from(record.to_string());
    let key = keys::baseline(&billing(), number);
    vault
        .inner
        .put_once(&key, bytes, "application/json")
        .await
        .unwrap();
}

/// A record of CloudTrail.
pub(crate) fn trail_record(at: &str, id: u32, service: &str, name: &str, who: &str) -> String {
    json!({
        "eventVersion": "1.11",
        "eventID": format!("00000000-0000-0000-0000-{id:012}"),
        "eventTime": at,
        "eventSource": format!("{service}.amazonaws.com"),
        "eventName": name,
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli",
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "readOnly": false,
        "recipientAccountId": "111122223333",
        "userIdentity": {"type": "IAMUser", "arn": format!("arn:aws:iam::111122223333:user/{who}"),
                         "accountId": "111122223333", "accessKeyId": "AKIAEXAMPLE"},
        "requestParameters": {"functionName": "billing"},
    })
    .to_string()
}
