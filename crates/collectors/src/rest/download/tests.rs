use super::*;
use crate::rest::stand::{Say, Stand, TOKEN, head, json, with};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use std::sync::Mutex;
use std::time::Duration;
use vault::{MemoryVault, Vault as _, VaultError};

fn origin(url: &str) -> Option<Origin> {
    Origin::of(&url.parse().unwrap())
}

/// What downloading from a stand comes to, the operator having named it as the provider.
async fn downloaded(says: Vec<Say>) -> Result<Vec<u8>, VaultError> {
    let stand = Stand::up(says).await;
    let downloads = Downloads::new(origin(&stand.base));
    let url = format!("{}/code?X-Signature=marked", stand.base);
    let source = downloads.url(&url, "application/zip", None);
    let vault = MemoryVault::default();
    let receipt = vault.put_content(&source, 1000).await?;
    Ok(vault.get(&receipt.key).await?.to_vec())
}

async fn refused(says: Vec<Say>) -> SourceError {
    match downloaded(says).await {
        Err(VaultError::Source(error)) => {
            assert!(!format!("{error} {error:?}").contains("marked"), "{error}");
            error
        }
        other => panic!("{other:?}"),
    }
}

/// Notes what it is asked for, and answers nothing.
#[derive(Debug, Default)]
struct Noting(Arc<Mutex<Vec<String>>>);

impl HttpConnector for Noting {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.0.lock().unwrap().push(request.uri().to_owned());
        let status = 200.try_into().unwrap();
        let answer = HttpResponse::new(status, SdkBody::from("code"));
        HttpConnectorFuture::ready(Ok(answer))
    }
}

#[tokio::test]
async fn what_is_not_public_or_not_encrypted_is_asked_for_nothing() {
    let asked = Noting::default();
    let noted = asked.0.clone();
    let downloads = Downloads::new(origin("http://127.0.0.1:8080"));
    let downloads = downloads.through(SharedHttpConnector::new(asked));
    for url in [
        "http://storage.example.com/marked",
        "http://169.254.169.254/latest/meta-data/marked",
        "https://169.254.169.254/marked",
        "https://127.0.0.1/marked",
        "https://[::1]/marked",
        "https://[::ffff:10.0.0.1]/marked",
        "https://[fd00:ec2::254]/marked",
        "https://2130706433/marked",
        "https://0x7f.1/marked",
        "https://127.1/marked",
        "https://marked@storage.example.com/",
        "https://storage.example.com:marked/",
        "file:///marked",
        "ftp://storage.example.com/marked",
        "/marked",
        "storage.example.com/marked",
        "marked",
        "",
        // The host that the operator named, but not what was named of it.
        "https://127.0.0.1:8080/marked",
        "http://127.0.0.1:8081/marked",
        "http://127.0.0.1/marked",
        "http://localhost:8080/marked",
    ] {
        let error = downloads.url(url, "application/zip", None).open().await;
        let error = error.err().unwrap();
        assert!(matches!(error, SourceError::Failed(_)), "{url}: {error}");
        assert!(!format!("{error} {error:?}").contains("marked"), "{error}");
    }
    assert_eq!(*noted.lock().unwrap(), [""; 0]);
    for url in [
        "https://storage.example.com/code?X-Signature=a%2Fb",
        "https://storage.example.com:8443/code",
        "https://104.16.0.1/code",
        "http://127.0.0.1:8080/code",
    ] {
        let opened = downloads.url(url, "application/zip", None).open().await;
        assert!(opened.is_ok(), "{url}");
        assert_eq!(noted.lock().unwrap().pop().unwrap(), url);
    }
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_connected_to() {
    let stand = Stand::up(vec![json(200, "{}")]).await;
    let port = stand.base.rsplit(':').next().unwrap();
    let url = format!("https://localhost:{port}/marked");
    let error = Downloads::default().url(&url, "application/zip", None);
    let error = error.open().await.err().unwrap();
    assert_eq!(error, SourceError::Failed(NOT_PUBLIC.to_owned()));
    assert_eq!(stand.accepted(), 0);
}

#[tokio::test]
async fn a_download_carries_no_credentials_and_is_what_came() {
    let stand = Stand::up(vec![json(200, "code")]).await;
    let downloads = Downloads::new(stand.rest().origin().clone().into());
    let url = format!("{}/code?X-Signature=a%2Fb", stand.base);
    let expected = Some(Sha256Digest::of("code"));
    let source = downloads.url(&url, "application/zip", expected);
    let vault = MemoryVault::default();
    let receipt = vault.put_content(&source, 1000).await.unwrap();
    assert_eq!(Some(receipt.sha256), expected);
    let sent = stand.seen().remove(0);
    assert!(sent.starts_with("GET /code?X-Signature=a%2Fb "), "{sent}");
    assert!(!sent.contains(TOKEN) && !sent.contains("authorization"));
}

#[tokio::test]
async fn a_status_tells_whether_it_is_refused_gone_or_failed() {
    for (status, error) in [
        (401, SourceError::Denied("download answered 401".to_owned())),
        (403, SourceError::Denied("download answered 403".to_owned())),
        (404, SourceError::Absent("download answered 404".to_owned())),
        (410, SourceError::Absent("download answered 410".to_owned())),
        (206, SourceError::Failed("download answered 206".to_owned())),
        (500, SourceError::Failed("download answered 500".to_owned())),
    ] {
        assert_eq!(refused(vec![json(status, "marked")]).await, error);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Stand::up(vec![json(200, "{}")]).await;
    let location = format!("location: {}/marked\r\n", elsewhere.base);
    for status in [301, 302, 303, 307, 308] {
        let error = refused(vec![with(status, &location, "")]).await;
        let why = "the download is redirected; not followed";
        assert_eq!(error, SourceError::Failed(why.to_owned()));
    }
    assert_eq!(elsewhere.accepted(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_download_is_held_to_the_length_that_was_announced_and_to_its_time() {
    let begun = format!("{}\r\nbegin", head(200, 100)).into_bytes();
    for (say, why) in [
        (Say::Bytes(begun.clone()), "the answer was cut off"),
        (Say::Silence(begun), "nothing came for 60 seconds"),
        (Say::Silence(Vec::new()), "nothing came for 60 seconds"),
        (Say::Bytes(Vec::new()), "the download could not be opened"),
    ] {
        assert_eq!(
            refused(vec![say]).await,
            SourceError::Failed(why.to_owned())
        );
    }
    // Announced or not, no more is taken than is allowed.
    let unannounced = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    for say in [
        Say::Silence(format!("{}\r\n", head(200, 1001)).into_bytes()),
        Say::Endless(unannounced.clone(), vec![b'x'; 512]),
    ] {
        let kept = downloaded(vec![say]).await;
        assert!(matches!(kept, Err(VaultError::TooLarge { .. })), "{kept:?}");
    }
    // A byte every half minute is slow, not broken: how large it may be is what bounds it.
    let drip = Say::Drip(unannounced, vec![b'x'; 100], Duration::from_secs(30));
    let kept = downloaded(vec![drip]).await;
    assert!(matches!(kept, Err(VaultError::TooLarge { .. })), "{kept:?}");
}
