//! Whole cases in a vault: sealed by many, cut off anywhere, altered afterwards.

use super::Place;
use super::sources::{bytes, of};
use async_trait::async_trait;
use bytes::Bytes;
use evidence::{
    Acquisition, ArtifactKind, CaseId, Draft, Exhibit, OpenCase, Outcome, Request, ResourceKind,
    Responder, SealedCase, Sha256Digest, Target, Trigger, keys,
};
use futures_util::future::join_all;
use std::sync::atomic::{AtomicUsize, Ordering};
use vault::{
    LocalSigner, Opened, Receipt, SealError, Signer as _, Source, Vault, VaultError, amend, check,
    seal, sealed, unfinished,
};

/// What every place has to hold of cases.
pub async fn all(place: &Place) {
    a_case_is_sealed_and_checks(place).await;
    many_attempts_end_in_one_case(place).await;
    an_attempt_cut_off_anywhere_is_finished_by_the_next(place).await;
    another_signer_is_told(place).await;
    addenda_form_a_chain(place).await;
    many_addenda_at_once_each_get_a_number_once(place).await;
}

fn responder(attempt: &str) -> Responder {
    Responder {
        program: "coldcase".to_owned(),
        version: "0.1.0".to_owned(),
        identity: "arn:aws:lambda:eu-west-1:111122223333:function:respond".to_owned(),
        attempt: attempt.to_owned(),
    }
}

fn exhibit(name: &str, receipt: Receipt) -> Exhibit {
    Exhibit {
        name: name.to_owned(),
        key: receipt.key,
        sha256: receipt.sha256,
        size_bytes: receipt.size_bytes,
        media_type: "application/json".to_owned(),
        source: "lambda:GetFunction".to_owned(),
        acquired_at: "2026-11-23T03:15:02Z".parse().unwrap(),
    }
}

/// Brings two exhibits into `vault`, a small one and content, and records them.
pub async fn acquire(vault: &dyn Vault, mut case: OpenCase) -> OpenCase {
    let id = case.id().clone();
    let small = bytes(id.as_str(), 700);
    let key = keys::exhibit(&id, "configuration", &Sha256Digest::of(&small), "json");
    let small = vault
        .put_once(&key, small, "application/json")
        .await
        .unwrap();
    let content = bytes("package of everybody", 40_000);
    let content = vault.put_content(&of(&content), 1 << 20).await.unwrap();
    for (artifact, name, receipt) in [
        (ArtifactKind::Configuration, "configuration", small),
        (ArtifactKind::FunctionCode, "code", content),
    ] {
        let target = case.target().clone();
        case.record(Acquisition {
            request: Request::whole(artifact),
            target,
            result: Outcome::Acquired,
            calls: vec![],
            exhibits: vec![exhibit(name, receipt)],
        });
    }
    case
}

fn open(name: &str, attempt: &str) -> OpenCase {
    let trigger = Trigger::Person {
        request_id: name.to_owned(),
        reason: "a test".to_owned(),
        occurred_at: "2026-11-23T03:15:01Z".parse().unwrap(),
    };
    let target = Target::aws(
        "111122223333",
        "eu-west-1",
        ResourceKind::Function,
        "billing",
    );
    OpenCase::open(
        trigger,
        target,
        responder(attempt),
        "2026-11-23T03:15:02Z".parse().unwrap(),
    )
}

/// A draft of the case `name`; each attempt's differs.
pub async fn draft(vault: &dyn Vault, name: &str, attempt: &str) -> Draft {
    let case = acquire(vault, open(name, attempt)).await;
    case.draft("2026-11-23T03:15:09Z".parse().unwrap()).unwrap()
}

/// A draft's case.
pub fn id(draft: &Draft) -> CaseId {
    draft.manifest().case_id.clone()
}

/// The plain way.
pub async fn a_case_is_sealed_and_checks(place: &Place) {
    let (vault, signer) = (&*place.vault, LocalSigner::ephemeral().unwrap());
    let draft = draft(vault, &format!("{} plain", place.run), "one").await;
    let id = id(&draft);
    assert_eq!(sealed(vault, &id, 0).await.unwrap(), None);
    assert_eq!(unfinished(vault, &id, 0).await.unwrap(), None);
    assert!(!check(vault, &id, None).await.is_sound());
    let case = seal(vault, &signer, draft.clone()).await.unwrap();
    assert_eq!(case.manifest(), draft.manifest());
    assert_eq!(sealed(vault, &id, 0).await.unwrap(), Some(case.clone()));
    assert_eq!(unfinished(vault, &id, 0).await.unwrap(), None);
    assert_eq!(seal(vault, &signer, draft).await.unwrap(), case);
    let pem = signer.public_key_pem().await.unwrap();
    let report = check(vault, &id, Some(&pem)).await;
    assert!(report.is_sound(), "{report}");
    assert!(check(vault, &id, None).await.is_sound());
    let other = LocalSigner::ephemeral()
        .unwrap()
        .public_key_pem()
        .await
        .unwrap();
    let report = check(vault, &id, Some(&other)).await;
    assert_eq!(report.first_fault().unwrap().key, keys::envelope(&id, 0));
}

/// Parallel attempts, each with its own manifest, end in one case.
pub async fn many_attempts_end_in_one_case(place: &Place) {
    let signer = std::sync::Arc::new(LocalSigner::ephemeral().unwrap());
    let attempts = (0..5).map(|n| {
        let (place, signer) = (place.clone(), signer.clone());
        tokio::spawn(async move {
            let draft = draft(
                &*place.vault,
                &format!("{} many", place.run),
                &n.to_string(),
            )
            .await;
            seal(&*place.vault, &*signer, draft).await.unwrap()
        })
    });
    let cases: Vec<SealedCase> = join_all(attempts)
        .await
        .into_iter()
        .map(|c| c.unwrap())
        .collect();
    assert!(cases.iter().all(|case| *case == cases[0]));
    let pem = signer.public_key_pem().await.unwrap();
    let report = check(&*place.vault, &cases[0].manifest().case_id, Some(&pem)).await;
    assert!(report.is_sound(), "{report}");
}

/// An attempt that dies at any write, before or after it took effect, is finished by the next.
pub async fn an_attempt_cut_off_anywhere_is_finished_by_the_next(place: &Place) {
    let signer = LocalSigner::ephemeral().unwrap();
    let pem = signer.public_key_pem().await.unwrap();
    for fatal in 0..5 {
        for took_effect in [false, true] {
            let name = format!("{} cut {fatal} {took_effect}", place.run);
            let first = draft(&*place.vault, &name, "first").await;
            let second = draft(&*place.vault, &name, "second").await;
            let id = id(&first);
            let faulty = Faulty {
                place,
                fatal,
                took_effect,
                puts: AtomicUsize::new(0),
            };
            let error = seal(&faulty, &signer, first.clone()).await.unwrap_err();
            assert!(
                matches!(error, SealError::Vault(VaultError::Unavailable { .. })),
                "{error}"
            );
            let written = fatal > 0 || took_effect;
            let is_sealed = fatal == 4 && took_effect;
            assert_eq!(
                sealed(&*place.vault, &id, 0).await.unwrap().is_some(),
                is_sealed
            );
            let begun = unfinished(&*place.vault, &id, 0).await.unwrap();
            assert_eq!(begun, (written && !is_sealed).then(|| first.clone()));
            let report = check(&*place.vault, &id, Some(&pem)).await;
            assert_eq!(report.is_sound(), is_sealed, "{report}");

            let case = seal(&*place.vault, &signer, second.clone()).await.unwrap();
            let wanted = if written { &first } else { &second };
            assert_eq!(case.manifest(), wanted.manifest());
            assert_eq!(seal(&*place.vault, &signer, first).await.unwrap(), case);
            let report = check(&*place.vault, &id, Some(&pem)).await;
            assert!(report.is_sound(), "{report}");
        }
    }
}

/// A case that another key began to seal is not sealed with ours.
pub async fn another_signer_is_told(place: &Place) {
    let (ours, theirs) = (
        LocalSigner::ephemeral().unwrap(),
        LocalSigner::ephemeral().unwrap(),
    );
    let draft = draft(&*place.vault, &format!("{} signer", place.run), "one").await;
    let id = id(&draft);
    let faulty = Faulty {
        place,
        fatal: 4,
        took_effect: false,
        puts: AtomicUsize::new(0),
    };
    seal(&faulty, &theirs, draft.clone()).await.unwrap_err();
    let error = seal(&*place.vault, &ours, draft.clone()).await.unwrap_err();
    assert!(
        matches!(&error, SealError::OtherSigner { key, .. } if *key == keys::signature(&id, 0)),
        "{error}"
    );
    seal(&*place.vault, &theirs, draft).await.unwrap();
}

/// Addenda carry the digest of the manifest before them; one that hangs elsewhere is refused.
pub async fn addenda_form_a_chain(place: &Place) {
    let (vault, signer) = (&*place.vault, LocalSigner::ephemeral().unwrap());
    let pem = signer.public_key_pem().await.unwrap();
    let first = draft(vault, &format!("{} chain", place.run), "one").await;
    let mut case = seal(vault, &signer, first).await.unwrap();
    let id = case.manifest().case_id.clone();
    for n in 0..3 {
        let at = "2026-11-23T04:00:00Z".parse().unwrap();
        let addendum = acquire(vault, case.amend(responder(&n.to_string()), at)).await;
        case = seal(vault, &signer, addendum.draft(at).unwrap())
            .await
            .unwrap();
    }
    assert_eq!(case.manifest().sequence, 3);
    let report = check(vault, &id, Some(&pem)).await;
    assert!(report.is_sound(), "{report}");
}

/// Parallel attempts at several addenda of one case: each is there once, and the chain holds.
pub async fn many_addenda_at_once_each_get_a_number_once(place: &Place) {
    let signer = std::sync::Arc::new(LocalSigner::ephemeral().unwrap());
    let first = draft(&*place.vault, &format!("{} amend", place.run), "one").await;
    let case = seal(&*place.vault, &*signer, first).await.unwrap();
    let at = "2026-11-23T04:00:00Z".parse().unwrap();
    let attempts = (0..9).map(|n| {
        let (place, signer, case) = (place.clone(), signer.clone(), case.clone());
        tokio::spawn(async move {
            let pass = format!("pass {}", n % 3);
            let examined = evidence::CustodyAction::Examined { pass };
            let is_ours = |manifest: &evidence::Manifest| {
                let mut custody = manifest.custody.iter();
                custody.any(|entry| entry.action == examined)
            };
            let draw = |last: &SealedCase| {
                let mut addendum = last.amend(responder(&n.to_string()), at);
                addendum.custody(examined.clone(), at);
                addendum.draft(at)
            };
            amend(&*place.vault, &*signer, &case, is_ours, draw)
                .await
                .unwrap()
        })
    });
    let addenda: Vec<SealedCase> = join_all(attempts)
        .await
        .into_iter()
        .map(|addendum| addendum.unwrap())
        .collect();
    for (n, addendum) in addenda.iter().enumerate() {
        assert_eq!(*addendum, addenda[n % 3]);
    }
    let id = &case.manifest().case_id;
    assert!(sealed(&*place.vault, id, 3).await.unwrap().is_some());
    assert!(sealed(&*place.vault, id, 4).await.unwrap().is_none());
    let pem = signer.public_key_pem().await.unwrap();
    let report = check(&*place.vault, id, Some(&pem)).await;
    assert!(report.is_sound(), "{report}");
}

/// A vault that dies at its `fatal`th small put (counted from 0).
struct Faulty<'a> {
    place: &'a Place,
    fatal: usize,
    took_effect: bool,
    puts: AtomicUsize,
}

#[async_trait]
impl Vault for Faulty<'_> {
    async fn put_once(
        &self,
        key: &str,
        bytes: Bytes,
        media_type: &str,
    ) -> Result<Receipt, VaultError> {
        let n = self.puts.fetch_add(1, Ordering::SeqCst);
        if n < self.fatal || self.took_effect && n == self.fatal {
            let receipt = self.place.vault.put_once(key, bytes, media_type).await?;
            if n < self.fatal {
                return Ok(receipt);
            }
        }
        Err(VaultError::Unavailable {
            call: "test",
            key: key.to_owned(),
            cause: "cut off".to_owned(),
        })
    }

    async fn put_content(
        &self,
        source: &dyn Source,
        limit_bytes: u64,
    ) -> Result<Receipt, VaultError> {
        self.place.vault.put_content(source, limit_bytes).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, VaultError> {
        self.place.vault.get(key).await
    }

    async fn open(&self, key: &str) -> Result<Opened, VaultError> {
        self.place.vault.open(key).await
    }

    async fn holds(&self, key: &str) -> Result<bool, VaultError> {
        self.place.vault.holds(key).await
    }

    async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<String>, VaultError> {
        self.place.vault.list(prefix, limit).await
    }
}
