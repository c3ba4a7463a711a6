//! Where a request may go: to the origin that the operator named, else only to the public internet.
//!
//! Addresses come out of replies, and what replies hold an attacker may have chosen: one that leads to
//! a machine's metadata service or into the responder's own network must be asked for nothing.

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use http::Uri;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Scheme, host and port of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of an absolute URL of http or https; none of anything else, and none if there is a
    /// user name in it.
    pub fn of(url: &Uri) -> Option<Self> {
        let authority = url.authority()?;
        let scheme = url.scheme_str()?;
        let usual = match scheme {
            "https" => 443,
            "http" => 80,
            _ => return None,
        };
        let host = authority.host();
        // The whole authority is looked at, since what cannot be read as a port is no port.
        let port = authority.as_str().strip_prefix(host)?;
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => usual,
            None => return None,
            Some(port) => port.parse().ok()?,
        };
        (!host.is_empty()).then(|| Self {
            scheme: scheme.to_owned(),
            host: host.to_ascii_lowercase(),
            port,
        })
    }

    /// Whether it is encrypted.
    pub(super) fn is_https(&self) -> bool {
        self.scheme == "https"
    }

    /// Whether its host can be asked at all, by its name alone: an address has to be public, and a
    /// name has to be one that no system reads as an address (`2130706433`, `0x7f.1`, `127.1` are
    /// 127.0.0.1 to many). What a name stands for is judged by [`PublicOnly`].
    pub(super) fn may_be_public(&self) -> bool {
        let host = self.host.as_str();
        if let Some(inner) = host.strip_prefix('[') {
            let inner = inner.strip_suffix(']').unwrap_or_default();
            return inner.parse().is_ok_and(|ip| is_public(IpAddr::V6(ip)));
        }
        match host.parse::<Ipv4Addr>() {
            Ok(ip) => is_public(IpAddr::V4(ip)),
            Err(_) => !ends_in_a_number(host),
        }
    }
}

/// Source: WHATWG, URL Standard, "ends in a number checker".
fn ends_in_a_number(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = host.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x");
    last.is_empty()
        || last.bytes().all(|byte| byte.is_ascii_digit())
        || hex.is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether an address is one of the public internet.
///
/// Sources: IANA's registries of special-purpose addresses for IPv4 and IPv6.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    !matches!(
        ip.octets(),
        // This network, and addresses for private use.
        [0 | 10 | 127, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            // Shared by a carrier's customers.
            | [100, 64..=127, ..]
            // Link-local, 169.254.169.254 among them: a machine's credentials.
            | [169, 254, ..]
            // Protocol assignments, documentation, the way to 6to4.
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
            // Between machines under test.
            | [198, 18 | 19, ..]
            // Multicast, reserved, broadcast.
            | [224..=255, ..]
            // What a machine in Azure has its settings from, though the address is a public one.
            | [168, 63, 129, 16]
    )
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(ip) = ip.to_ipv4_mapped() {
        return is_public_v4(ip);
    }
    match ip.segments() {
        // NAT64: networks without IPv4 name every IPv4 host so (RFC 6052). The prefix beside it,
        // 64:ff9b:1::/48, is for local use and falls through.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            is_public_v4(Ipv4Addr::new(a, b, c, d))
        }
        // Protocol assignments: Teredo, ORCHID, machines under test.
        [0x2001, 0..=0x1ff, ..] => false,
        // Documentation.
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // 6to4: any IPv4 address may be within.
        [0x2002, ..] => false,
        // All that is given out is in 2000::/3. Loopback, addresses with an IPv4 address within, unique
        // local and link-local ones and multicast are not.
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

/// Why a name was not connected to.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the host is not on the public internet")]
pub(super) struct NotPublic;

/// Resolves names, and refuses those that lead anywhere but to the public internet: all addresses of a
/// name have to be public, since any of them may be the one that is connected to.
///
/// The connector connects to what is answered here and asks no second time, so a name cannot be one
/// address when it is judged and another one when it is used. It asks nobody about addresses that are
/// written as such: [`Origin::may_be_public`] is for those.
#[derive(Clone, Debug, Default)]
pub struct PublicOnly<R = System> {
    names: R,
}

impl<R: ResolveDns> PublicOnly<R> {
    /// Judges what `names` answers.
    pub fn over(names: R) -> Self {
        Self { names }
    }
}

impl<R: ResolveDns> ResolveDns for PublicOnly<R> {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let addresses = self.names.resolve_dns(name).await?;
            if addresses.is_empty() || !addresses.iter().copied().all(is_public) {
                return Err(ResolveDnsError::new(NotPublic));
            }
            Ok(addresses)
        })
    }
}

/// The names as the system knows them.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl ResolveDns for System {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = tokio::net::lookup_host((name, 0)).await;
            let found = found.map_err(ResolveDnsError::new)?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// A connector for the origin that the operator named, wherever it is. It follows no redirect.
pub(super) fn anywhere() -> SharedHttpConnector {
    let builder = Connector::builder().tls_provider(tls::Provider::Rustls(CryptoMode::Ring));
    SharedHttpConnector::new(builder.build())
}

/// A connector for hosts that somebody else named. It follows no redirect.
pub(super) fn guarded() -> SharedHttpConnector {
    let builder = Connector::builder().tls_provider(tls::Provider::Rustls(CryptoMode::Ring));
    SharedHttpConnector::new(builder.build_with_resolver(PublicOnly::<System>::default()))
}

/// Whether a request was not sent because its host is not public.
pub(super) fn is_not_public(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<NotPublic>() {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first and the last address of every range that is not public, and every form in which an
    /// address of one can be written.
    const NOT_PUBLIC: &[&str] = &[
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "168.63.129.16",
        "169.254.0.0",
        "169.254.169.254",
        "169.254.255.255",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.192",
        "192.0.0.255",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "::8.8.8.8",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "64:ff9b:1::8.8.8.8",
        "100::1",
        "2001::1",
        "2001:0:7f00:1::",
        "2001:2::1",
        "2001:1ff:ffff::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::",
        "3fff::1",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fdff:ffff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
    ];

    /// The neighbours of those ranges, and what is to be reached.
    const PUBLIC: &[&str] = &[
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "104.16.0.1",
        "126.255.255.255",
        "128.0.0.1",
        "168.63.129.15",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "::ffff:104.16.0.1",
        "64:ff9b::104.16.0.1",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2606:4700::1111",
        "2a00:1450::1",
        "3fff:1000::1",
    ];

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn origin(url: &str) -> Option<Origin> {
        Origin::of(&url.parse().ok()?)
    }

    #[test]
    fn every_range_that_is_not_public_is_known_to_its_ends() {
        for text in NOT_PUBLIC {
            assert!(!is_public(ip(text)), "{text}");
        }
        for text in PUBLIC {
            assert!(is_public(ip(text)), "{text}");
        }
    }

    #[test]
    fn an_address_in_a_url_is_judged_before_anything_is_sent() {
        for text in NOT_PUBLIC {
            let host = match ip(text) {
                IpAddr::V4(_) => (*text).to_owned(),
                IpAddr::V6(_) => format!("[{text}]"),
            };
            let origin = origin(&format!("https://{host}:8443/a")).unwrap();
            assert!(!origin.may_be_public(), "{text}");
        }
        assert!(origin("https://104.16.0.1/a").unwrap().may_be_public());
        assert!(origin("https://[2606:4700::1]/").unwrap().may_be_public());
    }

    #[test]
    fn a_name_that_some_system_reads_as_an_address_goes_nowhere() {
        for host in [
            "2130706433",
            "0x7f.1",
            "0X7F.0X1",
            "127.1",
            "127.0.1",
            "0177.0.0.1",
            "127.0.0.1.",
            "017700000001",
            "a.0x",
            "1.2.3.4.5",
            "256.1.1.1",
            "example.7",
            "..",
            "[fe80::1%25eth0]",
        ] {
            let origin = origin(&format!("https://{host}/"));
            assert!(!origin.is_some_and(|at| at.may_be_public()), "{host}");
        }
        for host in ["example.com", "example.com.", "a1.example.x7", "7.example"] {
            let origin = origin(&format!("https://{host}/")).unwrap();
            assert!(origin.may_be_public(), "{host}");
        }
    }

    #[test]
    fn an_origin_is_the_same_only_with_the_same_scheme_host_and_port() {
        assert_eq!(
            origin("https://EXAMPLE.com/a"),
            origin("https://example.com:443/b?c")
        );
        for other in [
            "http://example.com",
            "https://example.com:8443",
            "https://example.com.",
            "https://a.example.com",
        ] {
            assert_ne!(origin("https://example.com"), origin(other), "{other}");
        }
        for none in [
            "https://user@example.com/",
            "https://example.com:99999/",
            "ftp://example.com/",
            "/a",
            "example.com:443",
        ] {
            assert_eq!(origin(none), None, "{none}");
        }
    }

    #[derive(Clone, Debug)]
    struct Names(&'static [&'static str]);

    impl ResolveDns for Names {
        fn resolve_dns<'a>(&'a self, _: &'a str) -> DnsFuture<'a> {
            DnsFuture::ready(Ok(self.0.iter().map(|text| ip(text)).collect()))
        }
    }

    #[tokio::test]
    async fn a_name_is_resolved_only_if_every_address_of_it_is_public() {
        let resolve = async |answer| {
            let resolver = PublicOnly::over(Names(answer));
            resolver.resolve_dns("a.example.com").await.is_ok()
        };
        assert!(resolve(&["104.16.0.1"]).await);
        assert!(resolve(&["104.16.0.1", "2606:4700::1111"]).await);
        assert!(!resolve(&["104.16.0.1", "169.254.169.254"]).await);
        assert!(!resolve(&["::1", "104.16.0.1"]).await);
        assert!(!resolve(&[]).await);
        for text in NOT_PUBLIC {
            let answer: &'static [&'static str] = Box::leak(Box::new([*text]));
            assert!(!resolve(answer).await, "{text}");
        }
    }

    #[tokio::test]
    async fn what_the_system_knows_as_loopback_is_refused_by_every_name_of_it() {
        // All of these are answered without a name server.
        for name in ["localhost", "127.0.0.1", "2130706433", "0x7f.1", "127.1"] {
            let error = PublicOnly::<System>::default().resolve_dns(name).await;
            assert!(is_not_public(&error.unwrap_err()), "{name}");
        }
    }
}
