//! Memory and directories held to the contract of a vault. S3 is held to it where there is an
//! account: in the end-to-end tests.

#![allow(clippy::unwrap_used)]

mod suite;

use proptest::prelude::*;
use std::sync::{Arc, Barrier};
use std::thread;
use suite::sources::{bytes, chunks};
use suite::{Place, cases};
use tokio::runtime::{Builder, Runtime};
use vault::{DirectoryVault, MemoryVault, Vault};

const PART: usize = 256 * 1024;

fn place(vault: impl Vault + 'static) -> Place {
    Place {
        vault: Arc::new(vault),
        part_bytes: PART,
        run: "1".to_owned(),
    }
}

#[tokio::test]
async fn memory_holds_the_contract() {
    let place = place(MemoryVault::new());
    suite::all(&place).await;
    cases::all(&place).await;
}

#[tokio::test]
async fn a_directory_holds_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let vault = DirectoryVault::open(folder.path().join("vault"))
        .await
        .unwrap();
    let place = place(vault);
    suite::all(&place).await;
    cases::all(&place).await;
    let aside = folder.path().join("vault/.incoming");
    assert_eq!(std::fs::read_dir(aside).unwrap().count(), 0);
}

/// The suite races tasks; threads race harder.
#[test]
fn of_racing_threads_exactly_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let open = || DirectoryVault::open(folder.path());
    let memory = MemoryVault::new();
    for round in 0..20 {
        let key = format!("race/{round}");
        let barrier = Barrier::new(8);
        let race = |n: usize| {
            let runtime = runtime();
            let bytes = bytes("race", 3000 + n);
            barrier.wait();
            runtime.block_on(async {
                let directory = open().await.unwrap();
                let put = |vault| Vault::put_once(vault, &key, bytes.clone(), "text/plain");
                [
                    put(&memory as &dyn Vault).await.is_ok(),
                    put(&directory).await.is_ok(),
                ]
            })
        };
        let race = &race;
        let won: Vec<_> = thread::scope(|scope| {
            let racers: Vec<_> = (0..8).map(|n| scope.spawn(move || race(n))).collect();
            racers
                .into_iter()
                .map(|racer| racer.join().unwrap())
                .collect()
        });
        for place in [0, 1] {
            assert_eq!(won.iter().filter(|won| won[place]).count(), 1);
        }
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// However a source is cut into chunks, what arrives is the same.
    #[test]
    fn chunks_leave_no_trace(size in 0usize..20_000, chunk in 1usize..9000, expected: bool, announced: bool) {
        let folder = tempfile::tempdir().unwrap();
        runtime().block_on(async {
            let bytes = bytes("chunks", size);
            let digest = evidence::Sha256Digest::of(&bytes);
            let source = chunks(&bytes, chunk, announced.then_some(size as u64)).expecting(expected.then_some(digest));
            let directory = DirectoryVault::open(folder.path()).await.unwrap();
            for vault in [&MemoryVault::new() as &dyn Vault, &directory] {
                let receipt = vault.put_content(&source, size as u64).await.unwrap();
                assert_eq!(receipt.sha256, digest);
                assert_eq!(vault.get(&receipt.key).await.unwrap(), bytes);
            }
        });
    }
}
