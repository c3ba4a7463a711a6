//! What a directory holds beyond the contract: read-only files, no way out by links, and cases that
//! a shell can verify and where every altered byte shows.

#![allow(clippy::unwrap_used)]

mod suite;

use bytes::Bytes;
use evidence::{CaseId, keys};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use suite::cases::{self, acquire, draft};
use vault::{DirectoryVault, LocalSigner, Signer as _, Vault, VaultError, check, seal};

/// A case with one addendum.
async fn sealed_case(root: &Path) -> (DirectoryVault, CaseId, String) {
    let vault = DirectoryVault::open(root).await.unwrap();
    let signer = LocalSigner::ephemeral().unwrap();
    let draft = draft(&vault, "shell", "one").await;
    let id = cases::id(&draft);
    let case = seal(&vault, &signer, draft).await.unwrap();
    let at = "2026-11-23T04:00:00Z".parse().unwrap();
    let responder = case.manifest().responder.clone();
    let addendum = acquire(&vault, case.amend(responder, at)).await;
    seal(&vault, &signer, addendum.draft(at).unwrap())
        .await
        .unwrap();
    let pem = signer.public_key_pem().await.unwrap();
    (vault, id, pem)
}

/// Overwrites a read-only file, as the disk's owner can.
fn alter(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o444)).unwrap();
}

#[tokio::test]
async fn files_are_read_only_and_folders_are_their_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("vault");
    let vault = DirectoryVault::open(&root).await.unwrap();
    vault
        .put_once("a/b", Bytes::from_static(b"x"), "text/plain")
        .await
        .unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&root.join("a/b")), 0o444);
    assert_eq!(mode(&root.join("a")), 0o700);
    assert_eq!(mode(&root), 0o700);
}

#[tokio::test]
async fn links_lead_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let (root, outside) = (folder.path().join("vault"), folder.path().join("outside"));
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    let vault = DirectoryVault::open(&root).await.unwrap();
    symlink(&outside, root.join("cases")).unwrap();
    symlink(outside.join("secret"), root.join("file")).unwrap();
    for key in ["cases/secret", "file"] {
        let error = vault.get(key).await.unwrap_err();
        assert!(matches!(error, VaultError::Unavailable { .. }), "{error}");
    }
    for key in ["cases/new", "cases/deep/new", "file"] {
        vault
            .put_once(key, Bytes::from_static(b"x"), "text/plain")
            .await
            .unwrap_err();
    }
    assert_eq!(vault.list("", 100).await.unwrap(), [""; 0]);
    assert_eq!(vault.list("cases/", 100).await.unwrap(), [""; 0]);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(fs::read(outside.join("secret")).unwrap(), b"secret");
}

#[tokio::test]
async fn what_a_killed_process_left_behind_hinders_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let vault = DirectoryVault::open(folder.path()).await.unwrap();
    fs::create_dir(folder.path().join(".incoming")).unwrap();
    for n in 0..50 {
        fs::write(
            folder
                .path()
                .join(format!(".incoming/{}-{n}", std::process::id())),
            "half",
        )
        .unwrap();
    }
    vault
        .put_once("a", Bytes::from_static(b"whole"), "text/plain")
        .await
        .unwrap();
    assert_eq!(vault.get("a").await.unwrap(), "whole");
    assert_eq!(vault.list("", 100).await.unwrap(), ["a"]);
}

/// The way the README shows: `sha256sum` and `openssl` alone.
#[tokio::test]
async fn a_shell_verifies_a_case() {
    let folder = tempfile::tempdir().unwrap();
    let (_, id, pem) = sealed_case(folder.path()).await;
    let case = folder.path().join(keys::case(&id));
    let key = folder.path().join("trusted.pem");
    fs::write(&key, pem).unwrap();
    let script = r#"
        set -eu
        for n in 0000 0001; do
            sha256sum --quiet --strict -c manifest-$n.sha256
            printf 'DSSEv1 28 application/vnd.in-toto+json %d ' "$(stat -c %s manifest-$n.json)" |
                cat - manifest-$n.json |
                openssl dgst -sha256 -verify "$KEY" -signature manifest-$n.sig
        done
        grep -q "\"previous_sha256\":\"$(sha256sum < manifest-0000.json | cut -c 1-64)\"" manifest-0001.json
        cmp "$KEY" signer-*.pem
    "#;
    let verifies = || {
        let output = Command::new("sh")
            .args(["-c", script])
            .current_dir(&case)
            .env("KEY", &key)
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        )
    };
    let (sound, said) = verifies();
    assert!(sound, "{said}");
    let content = folder.path().join("content");
    let content = fs::read_dir(content)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    for file in [
        case.join("manifest-0000.json"),
        case.join("manifest-0001.sig"),
        content,
    ] {
        let flip = |bytes: &mut Vec<u8>| bytes[17] ^= 1;
        alter(&file, flip);
        assert!(!verifies().0, "{}", file.display());
        alter(&file, flip);
        assert!(verifies().0);
    }
}

#[tokio::test]
async fn every_altered_byte_and_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (vault, id, pem) = sealed_case(folder.path()).await;
    let sound = check(&vault, &id, Some(&pem)).await;
    assert!(sound.is_sound(), "{sound}");
    let files = vault.list("", 1000).await.unwrap();
    assert_eq!(files.len(), 2 + 2 * 4 + 1, "{files:?}");
    for key in files {
        let path = folder.path().join(&key);
        let length = fs::metadata(&path).unwrap().len() as usize;
        for at in [0, length / 2, length - 1] {
            alter(&path, |bytes| bytes[at] ^= 1);
            let report = check(&vault, &id, Some(&pem)).await;
            assert_eq!(
                report.first_fault().unwrap().key,
                key,
                "byte {at}\n{report}"
            );
            alter(&path, |bytes| bytes[at] ^= 1);
        }
        let whole = fs::read(&path).unwrap();
        alter(&path, |bytes| bytes.push(b'\n'));
        let report = check(&vault, &id, Some(&pem)).await;
        assert_eq!(report.first_fault().unwrap().key, key, "longer\n{report}");
        fs::remove_file(&path).unwrap();
        let report = check(&vault, &id, Some(&pem)).await;
        if key == keys::envelope(&id, 1) {
            // The last one without its envelope looks like one that is being sealed just now.
            assert!(
                report.to_string().contains(&format!("note  {key}")),
                "{report}"
            );
        } else {
            assert_eq!(report.first_fault().unwrap().key, key, "gone\n{report}");
        }
        fs::write(&path, whole).unwrap();
    }
    assert_eq!(check(&vault, &id, Some(&pem)).await, sound);
}

#[tokio::test]
async fn what_was_put_beside_a_case_is_noted_and_is_no_fault() {
    let folder = tempfile::tempdir().unwrap();
    let (vault, id, pem) = sealed_case(folder.path()).await;
    let beside = format!("{}exhibits/other-attempt.json", keys::case(&id));
    vault
        .put_once(&beside, Bytes::from_static(b"{}"), "application/json")
        .await
        .unwrap();
    let report = check(&vault, &id, Some(&pem)).await;
    assert!(report.is_sound());
    assert!(
        report.to_string().contains(&format!("note  {beside}")),
        "{report}"
    );
}
