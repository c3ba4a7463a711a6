//! The contract of a vault as tests: every place has to pass all of it.
//!
//! Included by `#[path]` where a place can be had: memory and directories in this crate, S3 in the
//! end-to-end tests, which have an account.

#![allow(dead_code, clippy::unwrap_used)]

pub mod cases;
pub mod s3;
pub mod sources;

use bytes::Bytes;
use evidence::{Sha256Digest, keys};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use sources::{Acted, bytes, chunks, endless, of};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use vault::{SMALL_BYTES, SourceError, Vault, VaultError};

const NO_LIMIT: u64 = u64::MAX;

/// One place under test.
#[derive(Clone)]
pub struct Place {
    /// The vault.
    pub vault: Arc<dyn Vault>,
    /// What it sends in one piece; sizes around it are tried.
    pub part_bytes: usize,
    /// Tells this run from earlier ones in the same place: letters and digits.
    pub run: String,
}

impl Place {
    fn key(&self, name: &str) -> String {
        format!("contract/{}/{name}", self.run)
    }

    /// Bytes that no other test and no other run has.
    fn bytes(&self, test: &str, size: usize) -> Bytes {
        bytes(&format!("{} {test}", self.run), size)
    }

    async fn everything(&self) -> BTreeSet<String> {
        let mut keys: BTreeSet<_> = self
            .vault
            .list("content/", 10_000)
            .await
            .unwrap()
            .into_iter()
            .collect();
        keys.extend(self.vault.list(&self.key(""), 10_000).await.unwrap());
        keys
    }

    async fn read(&self, key: &str) -> Vec<u8> {
        let mut opened = self.vault.open(key).await.unwrap();
        let mut read = Vec::new();
        while let Some(chunk) = opened.bytes.next().await {
            read.extend_from_slice(&chunk.unwrap());
        }
        assert!(
            opened
                .size_bytes
                .is_none_or(|size| size == read.len() as u64)
        );
        read
    }
}

/// All of it, one after the other.
pub async fn all(place: &Place) {
    what_was_put_is_kept(place).await;
    other_bytes_are_a_conflict(place).await;
    of_racing_writers_exactly_one_wins(place).await;
    racing_writers_of_the_same_bytes_all_succeed(place).await;
    what_is_absent_is_not_found(place).await;
    what_is_too_large_for_one_piece_is_refused(place).await;
    keys_cannot_leave_their_folder(place).await;
    a_list_is_sorted_and_bounded(place).await;
    content_of_every_size_is_kept_under_its_digest(place).await;
    content_is_stored_once(place).await;
    racing_content_is_stored_once(place).await;
    a_wrong_expectation_is_corrected(place).await;
    a_cut_off_source_leaves_nothing(place).await;
    a_source_that_lies_about_its_length_leaves_nothing(place).await;
    an_endless_source_is_stopped_at_the_limit(place).await;
    the_limit_itself_is_allowed(place).await;
    a_source_that_changes_is_never_kept_under_a_wrong_name(place).await;
    a_source_that_settles_is_kept(place).await;
    a_dropped_put_leaves_nothing(place).await;
    what_is_planted_under_a_digest_is_not_believed(place).await;
    many_transfers_at_once_all_arrive(place).await;
}

/// What was put is kept as it was put.
pub async fn what_was_put_is_kept(place: &Place) {
    for (name, size) in [("empty", 0), ("one", 1), ("small", 100_000)] {
        let (key, bytes) = (place.key(name), place.bytes(name, size));
        let receipt = place
            .vault
            .put_once(&key, bytes.clone(), "text/plain")
            .await
            .unwrap();
        assert_eq!(receipt.key, key);
        assert_eq!(receipt.sha256, Sha256Digest::of(&bytes));
        assert_eq!(receipt.size_bytes, size as u64);
        assert!(receipt.newly_stored);
        assert_eq!(place.vault.get(&key).await.unwrap(), bytes);
        assert_eq!(place.read(&key).await, bytes);
        assert!(place.vault.holds(&key).await.unwrap());
    }
}

/// The same bytes again succeed, others are a conflict and change nothing.
pub async fn other_bytes_are_a_conflict(place: &Place) {
    let (key, bytes) = (place.key("conflict"), place.bytes("conflict", 1000));
    place
        .vault
        .put_once(&key, bytes.clone(), "text/plain")
        .await
        .unwrap();
    let again = place
        .vault
        .put_once(&key, bytes.clone(), "text/plain")
        .await
        .unwrap();
    assert!(!again.newly_stored);
    let mut flipped = bytes.to_vec();
    flipped[500] ^= 1;
    for others in [Bytes::from(flipped), bytes.slice(..999), Bytes::new()] {
        let error = place
            .vault
            .put_once(&key, others, "text/plain")
            .await
            .unwrap_err();
        assert!(
            matches!(&error, VaultError::Conflict { key: k } if *k == key),
            "{error}"
        );
    }
    assert_eq!(place.vault.get(&key).await.unwrap(), bytes);
}

/// Of racing writers exactly one wins, and the others are told.
pub async fn of_racing_writers_exactly_one_wins(place: &Place) {
    for round in 0..3 {
        let key = place.key(&format!("race-{round}"));
        let writers = (0..12).map(|n| {
            let (place, key) = (place.clone(), key.clone());
            tokio::spawn(async move {
                let bytes = place.bytes(&format!("race {n}"), 5000 + n);
                let put = place
                    .vault
                    .put_once(&key, bytes.clone(), "text/plain")
                    .await;
                (bytes, put)
            })
        });
        let mut winners = Vec::new();
        for joined in join_all(writers).await {
            match joined.unwrap() {
                (bytes, Ok(receipt)) => {
                    assert!(receipt.newly_stored);
                    winners.push(bytes);
                }
                (_, Err(error)) => assert!(matches!(error, VaultError::Conflict { .. }), "{error}"),
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(place.vault.get(&key).await.unwrap(), winners[0]);
    }
}

/// Racing writers of the same bytes all succeed.
pub async fn racing_writers_of_the_same_bytes_all_succeed(place: &Place) {
    let (key, bytes) = (place.key("agree"), place.bytes("agree", 5000));
    let writers = (0..12).map(|_| {
        let (place, key, bytes) = (place.clone(), key.clone(), bytes.clone());
        tokio::spawn(async move { place.vault.put_once(&key, bytes, "text/plain").await })
    });
    let receipts: Vec<_> = join_all(writers)
        .await
        .into_iter()
        .map(|r| r.unwrap().unwrap())
        .collect();
    assert_eq!(receipts.iter().filter(|r| r.newly_stored).count(), 1);
}

/// What is absent is not found.
pub async fn what_is_absent_is_not_found(place: &Place) {
    let key = place.key("absent/deep/down");
    assert!(!place.vault.holds(&key).await.unwrap());
    assert_eq!(place.vault.renew(&key).await.unwrap(), None);
    let error = place.vault.get(&key).await.unwrap_err();
    assert!(
        matches!(&error, VaultError::NotFound { key: k } if *k == key),
        "{error}"
    );
    assert!(matches!(
        place.vault.open(&key).await.err().unwrap(),
        VaultError::NotFound { .. }
    ));
}

/// Large things are not put or read in one piece.
pub async fn what_is_too_large_for_one_piece_is_refused(place: &Place) {
    let key = place.key("large");
    let bytes = place.bytes("large", SMALL_BYTES + 1);
    let error = place
        .vault
        .put_once(&key, bytes.clone(), "text/plain")
        .await
        .unwrap_err();
    assert!(matches!(error, VaultError::TooLarge { .. }), "{error}");
    assert!(!place.vault.holds(&key).await.unwrap());
    let receipt = place
        .vault
        .put_content(&of(&bytes), NO_LIMIT)
        .await
        .unwrap();
    let error = place.vault.get(&receipt.key).await.unwrap_err();
    assert!(matches!(error, VaultError::TooLarge { .. }), "{error}");
    let most = place.bytes("most", SMALL_BYTES);
    place
        .vault
        .put_once(&key, most.clone(), "text/plain")
        .await
        .unwrap();
    assert_eq!(place.vault.get(&key).await.unwrap(), most);
}

/// Keys cannot leave their folder.
pub async fn keys_cannot_leave_their_folder(place: &Place) {
    for key in [
        "",
        "/etc/passwd",
        "../out",
        "a/../../out",
        "a//b",
        "a/",
        ".hidden",
        "a\\..\\b",
        "a\0b",
        "a b",
    ] {
        for error in [
            place
                .vault
                .put_once(key, Bytes::new(), "text/plain")
                .await
                .err(),
            place.vault.get(key).await.err(),
            place.vault.open(key).await.err(),
            place.vault.holds(key).await.err(),
        ] {
            assert!(
                matches!(error, Some(VaultError::BadKey { .. })),
                "{key:?}: {error:?}"
            );
        }
    }
    let error = place.vault.list("../", 1).await.unwrap_err();
    assert!(matches!(error, VaultError::BadKey { .. }), "{error}");
}

/// A list is sorted and bounded.
pub async fn a_list_is_sorted_and_bounded(place: &Place) {
    let names = [
        "list/b",
        "list/a/z",
        "list/a.b",
        "list/c/d/e",
        "list-not",
        "lis",
    ];
    for name in names {
        place
            .vault
            .put_once(&place.key(name), Bytes::from_static(b"x"), "text/plain")
            .await
            .unwrap();
    }
    let listed = |prefix: &'static str, limit| {
        let place = place.clone();
        async move { place.vault.list(&place.key(prefix), limit).await.unwrap() }
    };
    let wanted = ["list/a.b", "list/a/z", "list/b", "list/c/d/e"].map(|name| place.key(name));
    assert_eq!(listed("list/", 100).await, wanted);
    assert_eq!(listed("list/", 2).await, wanted[..2]);
    assert_eq!(listed("list/", 0).await, [""; 0]);
    assert_eq!(listed("list/a", 100).await, wanted[..2]);
    assert_eq!(listed("list/a/", 100).await, wanted[1..2]);
    assert_eq!(listed("list/nothing/here", 100).await, [""; 0]);
    let folders = |prefix: &'static str| async move {
        place.vault.folders(&place.key(prefix)).await.unwrap()
    };
    assert_eq!(folders("list/").await, ["a", "c"]);
    assert_eq!(folders("list/c/").await, ["d"]);
    assert_eq!(folders("list/nothing/").await, [""; 0]);
    assert_eq!(listed("lis", 100).await.len(), names.len());
}

/// Content of every size is kept under its digest, with and without expectation and length.
pub async fn content_of_every_size_is_kept_under_its_digest(place: &Place) {
    let part = place.part_bytes;
    for size in [
        0,
        1,
        part - 1,
        part,
        part + 1,
        2 * part - 1,
        2 * part,
        2 * part + 1,
        3 * part + 7,
    ] {
        for (expected, announced, chunk) in [
            (true, true, 65_536),
            (false, false, 100_003),
            (true, false, usize::MAX),
        ] {
            let bytes = place.bytes(&format!("size {expected} {announced}"), size);
            let digest = Sha256Digest::of(&bytes);
            let there = place.vault.holds(&keys::content(&digest)).await.unwrap();
            let source = chunks(&bytes, chunk, announced.then_some(size as u64))
                .expecting(expected.then_some(digest));
            let receipt = place.vault.put_content(&source, NO_LIMIT).await.unwrap();
            assert_eq!(receipt.key, keys::content(&digest));
            assert_eq!((receipt.sha256, receipt.size_bytes), (digest, size as u64));
            assert_eq!(receipt.newly_stored, !there);
            assert!(place.read(&receipt.key).await == bytes, "size {size}");
        }
    }
}

/// Content is stored once; it is read all the same.
pub async fn content_is_stored_once(place: &Place) {
    for size in [1000, place.part_bytes + 1000] {
        let bytes = place.bytes("once", size);
        assert!(
            place
                .vault
                .put_content(&of(&bytes), NO_LIMIT)
                .await
                .unwrap()
                .newly_stored
        );
        let again = of(&bytes);
        assert!(
            !place
                .vault
                .put_content(&again, NO_LIMIT)
                .await
                .unwrap()
                .newly_stored
        );
        assert_eq!(again.openings(), 1);
        let unknown = of(&bytes).expecting(None);
        assert!(
            !place
                .vault
                .put_content(&unknown, NO_LIMIT)
                .await
                .unwrap()
                .newly_stored
        );
        // What claims to be the content that is there is not believed.
        let other = place.bytes("once, other", size);
        let liar = of(&other).expecting(Some(Sha256Digest::of(&bytes)));
        let receipt = place.vault.put_content(&liar, NO_LIMIT).await.unwrap();
        assert_eq!(receipt.sha256, Sha256Digest::of(&other));
        assert!(receipt.newly_stored);
    }
}

/// The same content from many sides at once.
pub async fn racing_content_is_stored_once(place: &Place) {
    for size in [3000, place.part_bytes + 3000] {
        let bytes = place.bytes("racing", size);
        let writers = (0..6).map(|_| {
            let (place, bytes) = (place.clone(), bytes.clone());
            tokio::spawn(async move { place.vault.put_content(&of(&bytes), NO_LIMIT).await })
        });
        let receipts: Vec<_> = join_all(writers)
            .await
            .into_iter()
            .map(|r| r.unwrap().unwrap())
            .collect();
        assert_eq!(receipts.iter().filter(|r| r.newly_stored).count(), 1);
        assert!(
            receipts
                .iter()
                .all(|r| r.sha256 == Sha256Digest::of(&bytes))
        );
        assert!(place.read(&receipts[0].key).await == bytes);
    }
}

/// A provider's wrong digest does not become a name.
pub async fn a_wrong_expectation_is_corrected(place: &Place) {
    for size in [10, place.part_bytes + 10] {
        let bytes = place.bytes("corrected", size);
        let wrong = Sha256Digest::of(format!("wrong {} {size}", place.run));
        let source = of(&bytes).expecting(Some(wrong));
        let receipt = place.vault.put_content(&source, NO_LIMIT).await.unwrap();
        assert_eq!(receipt.sha256, Sha256Digest::of(&bytes));
        assert!(place.read(&receipt.key).await == bytes);
        assert!(!place.vault.holds(&keys::content(&wrong)).await.unwrap());
    }
}

/// A source that breaks leaves nothing.
pub async fn a_cut_off_source_leaves_nothing(place: &Place) {
    let before = place.everything().await;
    let part = place.part_bytes;
    for kept in [0, 1, part - 1, part, 2 * part + 5] {
        let bytes = place.bytes("cut off", 3 * part);
        let source = Acted::new(Some(Sha256Digest::of(&bytes)), {
            let bytes = bytes.clone();
            move |_| {
                let cut = Err(SourceError::Failed("cut off".to_owned()));
                let chunks = [Ok(bytes.slice(..kept)), cut];
                Ok(sources::opened(chunks, Some(bytes.len() as u64)))
            }
        });
        let error = place
            .vault
            .put_content(&source, NO_LIMIT)
            .await
            .unwrap_err();
        assert!(
            matches!(&error, VaultError::Source(SourceError::Failed(why)) if why == "cut off"),
            "{error}"
        );
    }
    let refused = Acted::new(None, |_| Err(SourceError::Denied("expired".to_owned())));
    let error = place
        .vault
        .put_content(&refused, NO_LIMIT)
        .await
        .unwrap_err();
    assert!(
        matches!(error, VaultError::Source(SourceError::Denied(_))),
        "{error}"
    );
    assert_eq!(place.everything().await, before);
}

/// A source that gives more or less than it announced leaves nothing.
pub async fn a_source_that_lies_about_its_length_leaves_nothing(place: &Place) {
    let before = place.everything().await;
    for size in [100, place.part_bytes + 100] {
        let bytes = place.bytes("length", size);
        for announced in [0, size as u64 - 1, size as u64 + 1, 1 << 40] {
            let source =
                chunks(&bytes, 4096, Some(announced)).expecting(Some(Sha256Digest::of(&bytes)));
            let error = place
                .vault
                .put_content(&source, NO_LIMIT)
                .await
                .unwrap_err();
            assert!(
                matches!(error, VaultError::Source(SourceError::Failed(_))),
                "{error}"
            );
        }
    }
    assert_eq!(place.everything().await, before);
}

/// An endless source is stopped at the limit; one that announces too much is not read.
pub async fn an_endless_source_is_stopped_at_the_limit(place: &Place) {
    let before = place.everything().await;
    for expected in [None, Some(Sha256Digest::of("endless"))] {
        for limit in [0, 1000, 2 * place.part_bytes as u64 + 1] {
            let error = place
                .vault
                .put_content(&endless(expected), limit)
                .await
                .unwrap_err();
            assert!(
                matches!(error, VaultError::TooLarge { limit_bytes, .. } if limit_bytes == limit),
                "{error}"
            );
        }
    }
    let announced = Acted::new(None, |_| {
        let never = Err(SourceError::Failed("it was read".to_owned()));
        Ok(sources::opened([never], Some(1001)))
    });
    let error = place.vault.put_content(&announced, 1000).await.unwrap_err();
    assert!(
        matches!(
            error,
            VaultError::TooLarge {
                limit_bytes: 1000,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(place.everything().await, before);
}

/// The limit is the largest size that is allowed.
pub async fn the_limit_itself_is_allowed(place: &Place) {
    for size in [1000, 2 * place.part_bytes] {
        let bytes = place.bytes("limit", size);
        let error = place
            .vault
            .put_content(&of(&bytes), size as u64 - 1)
            .await
            .unwrap_err();
        assert!(matches!(error, VaultError::TooLarge { .. }), "{error}");
        place
            .vault
            .put_content(&of(&bytes), size as u64)
            .await
            .unwrap();
    }
}

/// Content that is another one at every opening is refused, or kept under the digest it has.
pub async fn a_source_that_changes_is_never_kept_under_a_wrong_name(place: &Place) {
    for size in [500, place.part_bytes + 500] {
        let source = {
            let place = place.clone();
            Acted::new(Some(Sha256Digest::of("stable")), move |n| {
                let bytes = place.bytes(&format!("change {n}"), size);
                Ok(sources::opened([Ok(bytes)], Some(size as u64)))
            })
        };
        match place.vault.put_content(&source, NO_LIMIT).await {
            Ok(receipt) => {
                let read = place.read(&receipt.key).await;
                assert_eq!(Sha256Digest::of(&read), receipt.sha256);
                assert_eq!(receipt.key, keys::content(&receipt.sha256));
            }
            Err(error) => {
                assert!(matches!(error, VaultError::Unstable(3)), "{error}");
                assert_eq!(source.openings(), 3);
            }
        }
    }
}

/// A source that changes once is kept as it is in the end.
pub async fn a_source_that_settles_is_kept(place: &Place) {
    let size = place.part_bytes + 900;
    let settled = place.bytes("settled", size);
    let source = {
        let (first, then) = (place.bytes("unsettled", size), settled.clone());
        Acted::new(None, move |n| {
            let bytes = if n == 0 { first.clone() } else { then.clone() };
            Ok(sources::opened([Ok(bytes)], None))
        })
    };
    let receipt = place.vault.put_content(&source, NO_LIMIT).await.unwrap();
    let read = place.read(&receipt.key).await;
    assert_eq!(Sha256Digest::of(&read), receipt.sha256);
}

/// A put whose caller went away leaves nothing, and the next one can start at once.
pub async fn a_dropped_put_leaves_nothing(place: &Place) {
    let before = place.everything().await;
    let bytes = place.bytes("dropped", 3 * place.part_bytes);
    for sent in [10, 2 * place.part_bytes + 10] {
        let source = {
            let bytes = bytes.clone();
            Acted::new(Some(Sha256Digest::of(&bytes)), move |_| {
                let some = futures_util::stream::iter([Ok(bytes.slice(..sent))]);
                Ok(vault::Opened {
                    bytes: some.chain(futures_util::stream::pending()).boxed(),
                    size_bytes: Some(bytes.len() as u64),
                })
            })
        };
        let waited = tokio::time::timeout(
            Duration::from_millis(300),
            place.vault.put_content(&source, NO_LIMIT),
        );
        assert!(waited.await.is_err());
    }
    assert_eq!(place.everything().await, before);
    place
        .vault
        .put_content(&of(&bytes), NO_LIMIT)
        .await
        .unwrap();
}

/// Other bytes that lie under a content's key are found out, not taken for it.
pub async fn what_is_planted_under_a_digest_is_not_believed(place: &Place) {
    for size in [2000, place.part_bytes + 2000] {
        let bytes = place.bytes("planted", size);
        let key = keys::content(&Sha256Digest::of(&bytes));
        let mut planted = bytes.to_vec();
        planted[1000] ^= 1;
        place
            .vault
            .put_once(&key, planted.into(), "text/plain")
            .await
            .unwrap();
        let error = place
            .vault
            .put_content(&of(&bytes), NO_LIMIT)
            .await
            .unwrap_err();
        assert!(matches!(error, VaultError::Conflict { .. }), "{error}");
    }
}

/// Many transfers at once all arrive, whatever their sizes.
pub async fn many_transfers_at_once_all_arrive(place: &Place) {
    let transfers = (0..8).map(|n: usize| {
        let place = place.clone();
        tokio::spawn(async move {
            let size = [10, 300_000, place.part_bytes - 1, place.part_bytes + 1][n % 4];
            let bytes = place.bytes(&format!("many {n}"), size);
            let receipt = place
                .vault
                .put_content(&of(&bytes), NO_LIMIT)
                .await
                .unwrap();
            assert!(place.read(&receipt.key).await == bytes);
        })
    });
    for joined in join_all(transfers).await {
        joined.unwrap();
    }
}
