//! Every way in which an API answers, and some in which none should.

use super::stand::{Say, Stand, TOKEN, head, json, token, unhurried, with};
use super::*;
use crate::{Desk, Gathered, Inquiry};
use evidence::{ArtifactKind, Request, Target};
use futures_util::StreamExt as _;
use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::Instant;
use vault::{MemoryVault, Vault as _, VaultError};

const READ: &str = "GET /a/{x}/settings";
const CHANGE: &str = "POST /a/{x}/tails";
const QUERY: &str = "POST /a/{x}/query";
const AT: &[(&str, &str)] = &[("x", "one")];

async fn read(rest: &Rest) -> Result<Reply, Trouble> {
    rest.call(READ, AT, &[], None).await
}

/// What one request is answered with, and how many were sent for it.
async fn asked(op: &'static str, says: Vec<Say>) -> (Result<Reply, Trouble>, usize) {
    let stand = Stand::up(says).await;
    let rest = stand.rest().reading_posts(&[QUERY]);
    let body = op.starts_with("POST").then(|| json!({}));
    let answer = rest.call(op, AT, &[], body).await;
    (answer, stand.seen().len())
}

fn trouble(answer: Result<Reply, Trouble>) -> Trouble {
    answer.expect_err("there is trouble")
}

#[tokio::test]
async fn a_request_is_its_constant_with_everything_encoded_and_the_credentials() {
    let stand = Stand::up(vec![json(
        200,
        r#"{"result": [1, 1.50, {"b": 1, "a": 2}]}"#,
    )])
    .await;
    let rest = Rest::new(&format!("{}/client/v4/", stand.base), token(), unhurried()).unwrap();
    let reply = rest
        .call(
            "POST /accounts/{id}/scripts/{name}:go",
            &[("name", "a/../ü?#%2e {id}"), ("id", "0-9_.~")],
            &[("since", "1 + 1&x=2".to_owned()), ("a b", String::new())],
            Some(json!({"filters": []})),
        )
        .await
        .unwrap();
    assert_eq!(reply.json["result"][2]["b"], 1);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.size_bytes, 39);
    let body = r#"{"result": [1, 1.50, {"b": 1, "a": 2}]}"#;
    assert_eq!(reply.sha256, Sha256Digest::of(body));
    let seen = stand.seen();
    let (head, body) = seen[0].split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<&str> = head.lines().collect();
    assert_eq!(
        lines.remove(0),
        "POST /client/v4/accounts/0-9_.~/scripts/a%2F..%2F%C3%BC%3F%23%252e%20%7Bid%7D:go\
         ?since=1%20%2B%201%26x%3D2&a%20b= HTTP/1.1"
    );
    assert!(lines.contains(&"authorization: Bearer marked-token"));
    assert!(lines.contains(&"content-type: application/json"));
    assert!(lines.contains(&"accept: application/json"));
    assert!(lines.contains(&"accept-encoding: identity"));
    assert_eq!(body, r#"{"filters":[]}"#);
}

#[test]
fn a_value_that_names_no_segment_is_refused_before_anything_is_sent() {
    for value in ["", ".", ".."] {
        let refused = filled("/a/{x}/b", &[("x", value)]).unwrap_err();
        assert!(matches!(refused, Trouble::Failed(_)), "{value:?}");
    }
    for (template, values) in [
        ("/a/{x}{y}/b", &[("x", "."), ("y", ".")][..]),
        ("/a/.{x}", &[("x", ".")]),
        ("/a/{x}", &[]),
        ("/a/{x}", &[("y", "b")]),
        ("/a/{x}", &[("x", "b"), ("y", "b")]),
        ("/a/{x", &[("y", "b")]),
        ("a/{x}", &[("x", "b")]),
        ("/a?b={x}", &[("x", "b")]),
        ("/a/../{x}", &[("x", "b")]),
    ] {
        assert!(filled(template, values).is_err(), "{template}");
    }
    assert_eq!(filled("/a/{x}/{x}", &[("x", "...")]).unwrap(), "/a/.../...");
}

proptest! {
    #[test]
    fn whatever_the_value_the_path_has_the_templates_segments(
        value in prop_oneof!["\\PC{1,40}", "[./%?#\\\\@:;\r\n\u{0} {}a]{1,20}", any::<String>()],
        other in "[./a]{1,3}",
    ) {
        let values = [("x", value.as_str()), ("y", other.as_str())];
        let path = filled("/a/{x}/b/{y}:go", &values);
        let is_name = |text: &str| !matches!(text, "" | "." | "..");
        prop_assert_eq!(path.is_ok(), is_name(&value) && is_name(&other));
        let Ok(path) = path else { return Ok(()) };
        let url: Uri = format!("https://example.com{path}").parse().unwrap();
        prop_assert_eq!(url.authority().unwrap().as_str(), "example.com");
        prop_assert_eq!(url.query(), None);
        prop_assert_eq!(url.path(), &path);
        let segments: Vec<&str> = path.split('/').collect();
        prop_assert_eq!(segments.len(), 5);
        prop_assert_eq!((segments[0], segments[1], segments[3]), ("", "a", "b"));
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
        prop_assert_eq!(decoded(segments[2]), value);
        prop_assert_eq!(decoded(segments[4].strip_suffix(":go").unwrap()), other);
    }

    #[test]
    fn whatever_is_asked_for_the_query_has_its_pairs(
        pairs in prop::collection::vec((any::<String>(), any::<String>()), 1..4),
    ) {
        let query: Vec<(&str, String)> =
            pairs.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let url: Uri = format!("https://example.com/{}", encoded_query(&query)).parse().unwrap();
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
        let read: Vec<(String, String)> = url.query().unwrap().split('&')
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(name, value)| (decoded(name), decoded(value)))
            .collect();
        prop_assert_eq!(read, pairs);
    }
}

#[test]
fn a_base_is_an_origin_and_a_path_and_never_quoted() {
    let base = |base: &str| Rest::new(base, token(), unhurried());
    for good in [
        "https://api.cloudflare.com/client/v4",
        "https://api.example.com",
        "http://127.0.0.1:8080/",
        "http://[::1]:8080/a",
    ] {
        assert!(base(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "api.example.com",
        "/client/v4",
        "ftp://marked.example.com",
        "https://marked@api.example.com",
        "https://marked:marked@api.example.com/",
        "https://api.example.com/?marked=1",
        "https://api.example.com/#marked",
        "https://api.example.com:marked",
        "https://",
    ] {
        let error = base(bad).err().unwrap();
        assert!(!format!("{error} {error:?}").contains("marked"), "{bad}");
    }
}

#[tokio::test]
async fn a_status_is_told_by_what_it_means() {
    for (status, means) in [
        (400, Trouble::Failed as fn(String) -> Trouble),
        (403, Trouble::Denied),
        (404, Trouble::Absent),
        (409, Trouble::Failed),
        (410, Trouble::Absent),
    ] {
        let (answer, sent) = asked(READ, vec![json(status, "{}")]).await;
        assert_eq!(trouble(answer), means(format!("answered {status}")));
        assert_eq!(sent, 1, "{status}");
    }
}

#[tokio::test]
async fn what_the_provider_says_is_quoted_without_addresses_and_credentials() {
    let said = format!(
        r#"{{"success": false, "errors": [{{"code": 7003, "message": "{TOKEN} at https://api.example.com/?marked"}}]}}"#
    );
    for status in [200, 404] {
        let stand = Stand::up(vec![json(status, &said)]).await;
        let rest = stand.rest().telling(told_by_cloudflare);
        let trouble = trouble(read(&rest).await);
        let expected = format!("answered {status} 7003: (secret) at (address)");
        assert_eq!(trouble.why(), expected);
        let is_absent = matches!(trouble, Trouble::Absent(_));
        assert_eq!(is_absent, status == 404);
        assert!(is_absent || matches!(trouble, Trouble::Failed(_)));
    }
}

/// Keys that count how often they are fetched again.
struct Renewing(AtomicUsize);

#[async_trait]
impl Keys for Renewing {
    async fn headers(&self, renew: bool) -> Result<Vec<(HeaderName, Secret)>, Trouble> {
        let times = self.0.fetch_add(usize::from(renew), Ordering::Relaxed) + usize::from(renew);
        let secret = Secret::bearer(&format!("token-{times}")).unwrap();
        Ok(vec![(HeaderName::from_static("authorization"), secret)])
    }
}

#[tokio::test]
async fn credentials_that_have_run_out_are_fetched_again_once() {
    for op in [READ, CHANGE] {
        let stand = Stand::up(vec![json(401, "{}"), json(200, "{}")]).await;
        let rest = stand.rest_with(Arc::new(Renewing(AtomicUsize::new(0))));
        assert!(rest.call(op, AT, &[], None).await.is_ok());
        let sent: Vec<bool> = stand
            .seen()
            .iter()
            .map(|sent| sent.contains("token-1"))
            .collect();
        assert_eq!(sent, [false, true]);

        let stand = Stand::up(vec![json(401, "{}")]).await;
        let rest = stand.rest_with(Arc::new(Renewing(AtomicUsize::new(0))));
        let refused = trouble(rest.call(op, AT, &[], None).await);
        assert_eq!(refused, Trouble::Denied("answered 401".to_owned()));
        assert_eq!(stand.seen().len(), 2);
    }
}

#[tokio::test]
async fn without_credentials_nothing_is_sent() {
    struct None;
    #[async_trait]
    impl Keys for None {
        async fn headers(&self, _: bool) -> Result<Vec<(HeaderName, Secret)>, Trouble> {
            Err(Trouble::Denied("nobody is signed in".to_owned()))
        }
    }
    let stand = Stand::up(vec![json(200, "{}")]).await;
    let refused = trouble(read(&stand.rest_with(Arc::new(None))).await);
    assert_eq!(refused, Trouble::Denied("nobody is signed in".to_owned()));
    assert_eq!(stand.accepted(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_only_reads_is_sent_again_while_the_provider_is_broken() {
    let broken = [
        json(500, "{}"),
        json(503, "<html>"),
        // Closed before, and within, the answer.
        Say::Bytes(Vec::new()),
        Say::Bytes(format!("{}\r\n{{\"a\"", head(200, 100)).into_bytes()),
    ];
    for broken in broken {
        for op in [READ, QUERY] {
            let says = vec![
                broken.clone(),
                broken.clone(),
                broken.clone(),
                json(200, "{}"),
            ];
            let began = Instant::now();
            let (answer, sent) = asked(op, says).await;
            assert!(answer.is_ok(), "{answer:?}");
            assert_eq!(sent, 4);
            // One second, two and four, half of each by chance.
            let took = began.elapsed().as_secs_f64();
            assert!((3.5..7.5).contains(&took), "{took}");

            let (answer, sent) = asked(op, vec![broken.clone()]).await;
            assert!(matches!(trouble(answer), Trouble::Passing(_)));
            assert_eq!(sent, 4);
        }
        let (answer, sent) = asked(CHANGE, vec![broken.clone()]).await;
        assert!(matches!(trouble(answer), Trouble::Passing(_)));
        assert_eq!(sent, 1, "what changes something is sent once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_not_there_is_a_trouble_that_passes() {
    let base = Stand::up(vec![]).await.base.clone();
    // Let the listener go.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let rest = Rest::new(&base, token(), unhurried()).unwrap();
    let trouble = trouble(read(&rest).await);
    assert_eq!(
        trouble,
        Trouble::Passing("the connection failed".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_make_everybody_wait_who_shares_the_pace() {
    let dated =
        "retry-after: Fri, 02 Jan 2026 03:06:05 GMT\r\ndate: Fri, 02 Jan 2026 03:04:05 GMT\r\n";
    let past =
        "retry-after: Fri, 02 Jan 2026 03:04:04 GMT\r\ndate: Fri, 02 Jan 2026 03:04:05 GMT\r\n";
    for (status, headers, seconds) in [
        (429, "retry-after: 120\r\n", 120),
        (503, "retry-after: 330\r\n", 330),
        (429, dated, 120),
        (429, past, 0),
        // Nothing that can be understood: as long as the pace says.
        (429, "", 60),
        (429, "retry-after: soon\r\n", 60),
        (429, "retry-after: -1\r\n", 60),
        (429, "retry-after: Fri, 02 Jan 2026 03:06:05 GMT\r\n", 60),
    ] {
        let limited = Stand::up(vec![with(status, headers, "{}"), json(200, "{}")]).await;
        let other = Stand::up(vec![json(200, "{}")]).await;
        let pace = unhurried();
        let first = Rest::new(&limited.base, token(), pace.clone()).unwrap();
        let second = Rest::new(&other.base, token(), pace).unwrap();
        let began = Instant::now();
        let asking = tokio::spawn(async move { (read(&first).await, began.elapsed()) });
        while limited.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        // By now the first one has its answer, or has it before a second is over.
        tokio::time::sleep(Duration::from_millis(1)).await;
        read(&second).await.unwrap();
        let waited = began.elapsed();
        let (answer, took) = asking.await.unwrap();
        assert!(answer.is_ok(), "{headers}");
        for took in [waited, took] {
            assert_eq!(took.as_secs(), seconds, "{status} {headers}");
        }
        assert_eq!(limited.seen().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_too_long_is_not_waited_for_by_who_asked_but_kept_by_all() {
    for (op, headers, seconds) in [
        (READ, "retry-after: 331\r\n", 330),
        (READ, "retry-after: 18446744073709551615\r\n", 330),
        // What changes something is not sent again, but the others wait.
        (CHANGE, "retry-after: 7\r\n", 7),
    ] {
        let stand = Stand::up(vec![with(429, headers, "{}"), json(200, "{}")]).await;
        let rest = stand.rest();
        let began = Instant::now();
        let refused = trouble(rest.call(op, AT, &[], None).await);
        assert_eq!(refused, Trouble::Throttled("answered 429".to_owned()));
        assert_eq!(began.elapsed().as_secs(), 0);
        read(&rest).await.unwrap();
        assert_eq!(began.elapsed().as_secs(), seconds, "{headers}");
    }
    // Always too many: after four times it is said so.
    let (answer, sent) = asked(READ, vec![with(429, "retry-after: 1\r\n", "{}")]).await;
    assert!(matches!(trouble(answer), Trouble::Throttled(_)));
    assert_eq!(sent, 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_the_rate_is_made_do_with() {
    for (limit, waited) in [
        (r#""default";r=1199;t=300"#, 0),
        (r#""default";r=99;t=297"#, 3),
        (r#""burst";r=500;t=1, "default"; r=10; t=200"#, 20),
        (r#""default";r=0;t=40"#, 40),
        // Not longer than the pace allows.
        (r#""default";r=1;t=300"#, 60),
        (r#""default";r=x;t=300, ;;=, r=5"#, 0),
    ] {
        let headers = format!("ratelimit: {limit}\r\n");
        let stand = Stand::up(vec![with(200, &headers, "{}")]).await;
        let rest = stand.rest();
        let began = Instant::now();
        read(&rest).await.unwrap();
        assert_eq!(began.elapsed().as_secs(), 0);
        read(&rest).await.unwrap();
        assert_eq!(began.elapsed().as_secs(), waited, "{limit}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_carries_nothing_elsewhere() {
    let elsewhere = Stand::up(vec![json(200, "{}")]).await;
    for status in [300, 301, 302, 303, 307, 308] {
        for to in [format!("{}/marked", elsewhere.base), "/other".to_owned()] {
            let headers = format!("location: {to}\r\n");
            let stand = Stand::up(vec![with(status, &headers, "{}")]).await;
            let expected = "redirected; not followed".to_owned();
            let refused = trouble(read(&stand.rest()).await);
            assert_eq!(refused, Trouble::Failed(expected.clone()));
            let content = stand.rest().content(READ, AT, &[]).unwrap();
            let refused = content.open().await.err().unwrap();
            assert_eq!(refused, SourceError::Failed(expected));
            assert_eq!(stand.seen().len(), 2);
        }
    }
    assert_eq!(elsewhere.accepted(), 0);
}

#[tokio::test]
async fn a_body_of_sixteen_mebibytes_is_read_and_none_that_is_larger() {
    const LARGEST: usize = 16 * 1024 * 1024;
    let text = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
    let (answer, _) = asked(READ, vec![json(200, &text(LARGEST))]).await;
    assert_eq!(answer.unwrap().size_bytes, LARGEST as u64);

    let refused = Trouble::Failed(format!("answered with more than {LARGEST} bytes"));
    // Announced, it is not read.
    let announced = Say::Silence(format!("{}\r\n", head(200, LARGEST + 1)).into_bytes());
    assert_eq!(trouble(asked(READ, vec![announced]).await.0), refused);
    // Not announced, it is counted.
    let unannounced =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
    let larger = format!("{unannounced}{}", text(LARGEST + 1)).into_bytes();
    assert_eq!(
        trouble(asked(READ, vec![Say::Bytes(larger)]).await.0),
        refused
    );
    // Without an end, as few bytes are held as of any other.
    let endless = Say::Endless(unannounced.into(), vec![b' '; 64 * 1024]);
    assert_eq!(trouble(asked(READ, vec![endless.clone()]).await.0), refused);
    // And of an error even fewer are looked at.
    let Say::Endless(first, again) = endless else {
        unreachable!()
    };
    let first = String::from_utf8(first)
        .unwrap()
        .replace("200 OK", "404 No");
    let (answer, _) = asked(READ, vec![Say::Endless(first.into(), again)]).await;
    assert_eq!(trouble(answer), Trouble::Absent("answered 404".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn who_sends_nothing_for_a_minute_is_not_waited_for() {
    for said in [
        "",
        "HTTP/1.1 200 OK\r\n",
        &format!("{}\r\n{{", head(200, 9)),
    ] {
        let began = Instant::now();
        let (answer, sent) = asked(CHANGE, vec![Say::Silence(said.into())]).await;
        let expected = "nothing came for 60 seconds".to_owned();
        assert_eq!(trouble(answer), Trouble::Passing(expected), "{said}");
        assert_eq!((began.elapsed().as_secs(), sent), (60, 1), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_sends_a_byte_every_half_minute_is_waited_for_five_minutes() {
    let first = format!("{}\r\n", head(200, 1000)).into_bytes();
    let drip = Say::Drip(first, b" ".to_vec(), Duration::from_secs(30));
    let began = Instant::now();
    let (answer, _) = asked(CHANGE, vec![drip]).await;
    let expected = "took longer than 300 seconds".to_owned();
    assert_eq!(trouble(answer), Trouble::Passing(expected));
    assert_eq!(began.elapsed().as_secs(), 300);
}

#[tokio::test]
async fn only_json_that_is_json_is_a_reply() {
    let typed = |media_type: &str, body: &str| {
        let head = head(200, body.len()).replace("application/json", media_type);
        Say::Bytes(format!("{head}\r\n{body}").into_bytes())
    };
    for (say, why) in [
        (typed("text/html", "<p>"), "answered with text/html"),
        (typed("text/html", "{}"), "answered with text/html"),
        (
            typed("application/json", "<p>"),
            "answered with what is no JSON though it says so",
        ),
        (
            typed("application/json", ""),
            "answered with what is no JSON though it says so",
        ),
        (
            Say::Bytes(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}".to_vec()),
            "answered without a media type",
        ),
    ] {
        let (answer, sent) = asked(READ, vec![say]).await;
        assert_eq!(trouble(answer), Trouble::Failed(why.to_owned()));
        assert_eq!(sent, 1);
    }
    // What an attacker nested is evidence as well.
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let reply = asked(READ, vec![json(200, &deep)]).await.0.unwrap();
    assert_eq!(reply.json, Value::String(deep));
    // Nothing to say is said by the status, or by who changed something.
    let nothing = Say::Bytes(b"HTTP/1.1 204 No\r\nconnection: close\r\n\r\n".to_vec());
    assert_eq!(
        asked(READ, vec![nothing]).await.0.unwrap().json,
        Value::Null
    );
    let nothing = typed("text/plain", "");
    assert_eq!(
        asked(CHANGE, vec![nothing]).await.0.unwrap().json,
        Value::Null
    );
}

#[tokio::test]
async fn a_host_that_a_reply_named_has_to_be_public_and_encrypted() {
    let stand = Stand::up(vec![json(200, "{}")]).await;
    let named = |base: &str| Rest::named_by_reply(base, token(), unhurried());
    let port = stand.base.rsplit(':').next().unwrap().to_owned();
    for base in [
        stand.base.clone(),
        format!("https://127.0.0.1:{port}"),
        format!("https://[::ffff:127.0.0.1]:{port}"),
        format!("https://2130706433:{port}"),
        "http://scm.example.com".to_owned(),
    ] {
        assert!(named(&base).is_err(), "{base}");
    }
    // A name is judged by what it stands for, when it is connected to.
    let rest = named(&format!("https://localhost:{port}")).unwrap();
    let refused = trouble(read(&rest).await);
    let why = "the address is not on the public internet; not asked".to_owned();
    assert_eq!(refused, Trouble::Failed(why));
    assert_eq!(stand.accepted(), 0);
}

async fn all(opened: Opened) -> Result<Vec<u8>, SourceError> {
    let mut bytes = opened.bytes;
    let mut read = Vec::new();
    while let Some(chunk) = bytes.next().await {
        read.extend_from_slice(&chunk?);
    }
    Ok(read)
}

#[tokio::test(start_paused = true)]
async fn content_is_streamed_with_credentials_and_tells_the_headers_it_came_with() {
    let headers = "cf-entrypoint: index.js\r\nset-cookie: marked\r\n";
    let stand = Stand::up(vec![
        json(500, "{}"),
        with(200, headers, "export default 1"),
    ])
    .await;
    let content = stand.rest().content(READ, AT, &[("v", "1".to_owned())]);
    let content = content.unwrap().typed("multipart/form-data");
    assert_eq!(content.media_type(), "multipart/form-data");
    assert_eq!(content.headers(), []);
    assert_eq!(stand.accepted(), 0);
    let opened = content.open().await.unwrap();
    assert_eq!(opened.size_bytes, Some(16));
    assert_eq!(all(opened).await.unwrap(), b"export default 1");
    let headers = content.headers();
    let expected = ("cf-entrypoint".to_owned(), "index.js".to_owned());
    assert!(headers.contains(&expected), "{headers:?}");
    assert!(!format!("{headers:?}").contains("marked"));
    let sent = stand.seen().pop().unwrap();
    assert!(sent.starts_with("GET /a/one/settings?v=1 "), "{sent}");
    assert!(
        sent.contains("authorization: Bearer marked-token"),
        "{sent}"
    );
    assert!(sent.contains("accept: */*"), "{sent}");
}

#[tokio::test(start_paused = true)]
async fn content_that_is_refused_cut_off_or_silent_says_so() {
    for (status, refused) in [
        (403, SourceError::Denied("answered 403".to_owned())),
        (404, SourceError::Absent("answered 404".to_owned())),
        (206, SourceError::Failed("answered 206".to_owned())),
        (500, SourceError::Failed("answered 500".to_owned())),
    ] {
        let stand = Stand::up(vec![json(status, "{}")]).await;
        let content = stand.rest().content(READ, AT, &[]).unwrap();
        assert_eq!(content.open().await.err().unwrap(), refused);
    }
    let begun = format!("{}\r\nbegin", head(200, 100)).into_bytes();
    for (say, why) in [
        (Say::Bytes(begun.clone()), "the answer was cut off"),
        (Say::Silence(begun), "nothing came for 60 seconds"),
    ] {
        let stand = Stand::up(vec![say]).await;
        let content = stand.rest().content(READ, AT, &[]).unwrap();
        let kept = MemoryVault::default().put_content(&content, 1000).await;
        let Err(VaultError::Source(SourceError::Failed(said))) = kept else {
            panic!("{kept:?}");
        };
        assert_eq!(said, why);
    }
    let stand = Stand::up(vec![json(200, "")]).await;
    let refused = stand.rest().content(READ, &[("x", "..")], &[]);
    assert!(refused.is_err());
    assert_eq!(stand.accepted(), 0);
}

/// What an inquiry makes of what was answered, and its exhibit.
async fn inquired(says: Vec<Say>, time: Option<Duration>) -> (Option<Value>, Gathered, Value) {
    let stand = Stand::up(says).await;
    let vault = Arc::new(MemoryVault::default());
    let clock = Arc::new(|| "2026-01-02T03:04:05Z".parse().unwrap());
    let case = "20260102T030405Z-test-0000000000000000".parse().unwrap();
    let mut desk = Desk::new(vault.clone(), case, clock, u64::MAX);
    if let Some(time) = time {
        desk = desk.until(Instant::now() + time);
    }
    let target = "arn:aws:lambda:eu-west-1:111122223333:function:one";
    let target = Target::from_arn(target).unwrap();
    let request = Request::whole(ArtifactKind::Configuration);
    let mut inquiry = Inquiry::new(&desk, &target, request);
    let rest = stand.rest();
    let value = inquiry.ask_rest(READ, "one", read(&rest)).await;
    let gathered = inquiry.finish().await;
    let exhibit = match gathered.acquisition.exhibits.first() {
        Some(exhibit) => serde_json::from_slice(&vault.get(&exhibit.key).await.unwrap()).unwrap(),
        None => Value::Null,
    };
    (value, gathered, exhibit)
}

#[tokio::test]
async fn an_inquiry_keeps_the_reply_and_the_digest_of_its_bytes() {
    let body = r#"{"result": {"a": 1, "a": 2}}"#;
    let (value, gathered, exhibit) = inquired(vec![json(200, body)], None).await;
    assert_eq!(value, Some(json!({"result": {"a": 2}})));
    assert_eq!(gathered.acquisition.result.as_str(), "acquired");
    let call = &gathered.acquisition.calls[0];
    assert_eq!((call.api.as_str(), call.about.as_str()), (READ, "one"));
    assert_eq!(call.error, None);
    assert_eq!(
        exhibit["replies"],
        json!([{
            "call": READ,
            "about": "one",
            "received_at": "2026-01-02T03:04:05Z",
            "reply": {"result": {"a": 2}},
            "reply_sha256": Sha256Digest::of(body),
            "reply_bytes": 28,
        }])
    );
}

#[tokio::test(start_paused = true)]
async fn an_inquiry_ends_as_its_call_did() {
    for (status, outcome, transient) in [
        (403, "denied", false),
        (404, "absent", false),
        (400, "failed", false),
        (429, "failed", true),
        (500, "failed", true),
    ] {
        let (value, gathered, _) = inquired(vec![json(status, "{}")], None).await;
        assert_eq!(value, None);
        let result = &gathered.acquisition.result;
        assert_eq!(result.as_str(), outcome, "{status}");
        let why = format!("{READ} one: answered {status}");
        assert_eq!(result.why(), Some(why.as_str()));
        assert_eq!(gathered.acquisition.calls[0].error, Some(why));
        assert_eq!(gathered.transient, transient, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_is_given_up_when_the_desk_is_cleared() {
    let says = vec![with(429, "retry-after: 300\r\n", "{}"), json(200, "{}")];
    let began = Instant::now();
    let (value, gathered, _) = inquired(says.clone(), Some(Duration::from_secs(20))).await;
    assert_eq!(value, None);
    assert_eq!(began.elapsed().as_secs(), 20);
    let why = format!("{READ} one: the time was up");
    assert_eq!(gathered.acquisition.result.why(), Some(why.as_str()));
    assert!(gathered.transient);
    assert!(inquired(says, None).await.0.is_some());
}
