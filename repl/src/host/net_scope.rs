//! Which hosts, ports and addresses a grant of `Net` covers.
//!
//! A destination is a host, a port and the addresses that the name has now. The host and port must be named; each address must be
//! one of the public internet, or be named itself. So a name that suddenly has an address of the machine or of its surroundings
//! leads nowhere, however the address is spelled. What is denied is denied by name and by address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::OnceLock;

use jet_vm::host::NetGrant;

/// Ports of a rule that names none.
const WEB_PORTS: [u16; 2] = [80, 443];

/// A part of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// A name, in lower case.
    Name(String),
    /// The first so many bits of an address.
    Range(IpAddr, u8),
}

/// A grant that is understood.
#[derive(Clone, Debug)]
pub(super) struct NetScope {
    /// `None` is the public internet.
    allow: Option<Vec<Rule>>,
    deny: Vec<Rule>,
    text: String,
}

/// Where a program may send something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    /// Here; at least one address.
    Found(Vec<SocketAddr>),
    /// That is not granted.
    Denied,
    /// The name has no address.
    Unknown,
}

/// Finds the addresses of a name.
pub type Resolver = fn(&str, u16) -> std::io::Result<Vec<SocketAddr>>;

static RESOLVER: OnceLock<Resolver> = OnceLock::new();

/// Has names resolved by something else than the system, from now on and for the whole process: for hosts with a resolver of
/// their own, and tests of hostile ones. The first call wins.
pub fn resolve_by(resolver: Resolver) {
    let _ = RESOLVER.set(resolver);
}

fn by_system(host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
}

/// The addresses of a name, as the resolver has them at this moment.
pub(super) fn resolve(host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
    RESOLVER.get().copied().unwrap_or(by_system)(host, port)
}

/// Whether a text may be a host in a grant or a call: a name of letters, digits, dashes and dots that is not a number in disguise, or
/// an address.
pub(super) fn host_of(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let bare = text
        .strip_prefix('[')
        .and_then(|t| t.strip_suffix(']'))
        .unwrap_or(&text);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Some(ip.to_canonical().to_string());
    }
    let name = bare.strip_suffix('.').unwrap_or(bare);
    let good = !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        });
    let last = name.rsplit('.').next().unwrap_or_default();
    // `127.1`, `0x7f.1` and `2130706433` are addresses to some.
    let number = last.bytes().all(|b| b.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    (good && !number).then(|| name.to_owned())
}

fn rule(text: &str) -> Result<Rule, String> {
    let wrong = || format!("`{text}` is no HOST, HOST:PORT, ADDRESS/BITS or [ADDRESS]:PORT");
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
        (host, port)
    } else if text.matches(':').count() > 1 {
        (text, "")
    } else {
        match text.split_once(':') {
            Some((host, _)) => (host, text.get(host.len()..).unwrap_or_default()),
            None => (text, ""),
        }
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        None => return Err(wrong()),
        Some(port) => match port.parse::<u16>() {
            Ok(port) if port > 0 => Some(port),
            _ => return Err(wrong()),
        },
    };
    let host = match host.split_once('/') {
        Some((address, bits)) => {
            let ip: IpAddr = address.parse().map_err(|_| wrong())?;
            let bits: u8 = bits.parse().map_err(|_| wrong())?;
            let most = if ip.is_ipv4() { 32 } else { 128 };
            if bits > most {
                return Err(wrong());
            }
            match ip.to_canonical() {
                // An IPv4 range in the spelling of IPv6.
                IpAddr::V4(inside) if ip.is_ipv6() && bits >= 96 => {
                    Host::Range(inside.into(), bits - 96)
                }
                _ => Host::Range(ip, bits),
            }
        }
        None => {
            let host = host_of(host).ok_or_else(wrong)?;
            match host.parse::<IpAddr>() {
                Ok(ip) => Host::Range(ip, if ip.is_ipv4() { 32 } else { 128 }),
                Err(_) => Host::Name(host),
            }
        }
    };
    Ok(Rule { host, port })
}

impl Rule {
    fn has_port(&self, port: u16) -> bool {
        match self.port {
            Some(own) => own == port,
            None => WEB_PORTS.contains(&port),
        }
    }

    fn has_address(&self, ip: IpAddr) -> bool {
        match (&self.host, ip) {
            (Host::Range(IpAddr::V4(of), bits), IpAddr::V4(ip)) => {
                same_bits(of.to_bits().into(), ip.to_bits().into(), 32, *bits)
            }
            (Host::Range(IpAddr::V6(of), bits), IpAddr::V6(ip)) => {
                same_bits(of.to_bits(), ip.to_bits(), 128, *bits)
            }
            (Host::Name(name), ip) => name == "localhost" && ip.is_loopback(),
            _ => false,
        }
    }
}

impl Rule {
    /// Whether a denial means an address. A range of IPv6 in which the spellings of IPv4 addresses lie means these, too.
    fn denies(&self, ip: IpAddr) -> bool {
        let spelled = match (&self.host, ip) {
            (Host::Range(IpAddr::V6(of), bits), IpAddr::V4(ip)) => {
                same_bits(of.to_bits(), ip.to_ipv6_mapped().to_bits(), 128, *bits)
            }
            _ => false,
        };
        spelled || self.has_address(ip)
    }
}

fn same_bits(a: u128, b: u128, width: u8, bits: u8) -> bool {
    let drop = u32::from(width.saturating_sub(bits));
    a.checked_shr(drop).unwrap_or(0) == b.checked_shr(drop).unwrap_or(0)
}

impl NetScope {
    pub fn new(grant: &NetGrant) -> Result<NetScope, String> {
        let rules = |texts: &[String]| texts.iter().map(|t| rule(t)).collect::<Result<Vec<_>, _>>();
        let mut text = match &grant.allow {
            None => "the public internet".to_owned(),
            Some(list) => list.join(", "),
        };
        if !grant.deny.is_empty() {
            text.push_str(", but not ");
            text.push_str(&grant.deny.join(", "));
        }
        Ok(NetScope {
            allow: grant.allow.as_deref().map(rules).transpose()?,
            deny: rules(&grant.deny)?,
            text,
        })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the grant names the host and port. Asked before a name is looked up, which tells the world something.
    pub fn names(&self, host: &str, port: u16) -> bool {
        let ip = host.parse::<IpAddr>().ok();
        let denied = self.deny.iter().any(|rule| {
            let meant = match (&rule.host, ip) {
                (Host::Name(name), _) => name == host,
                (_, Some(ip)) => rule.denies(ip),
                _ => false,
            };
            meant && rule.port.is_none_or(|p| p == port)
        });
        let allowed = match (&self.allow, ip) {
            (None, None) => true,
            (None, Some(ip)) => public(ip),
            (Some(rules), Some(ip)) => rules.iter().any(|r| {
                matches!(r.host, Host::Range(..)) && r.has_address(ip) && r.has_port(port)
            }),
            (Some(rules), None) => rules
                .iter()
                .any(|r| matches!(&r.host, Host::Name(n) if n == host) && r.has_port(port)),
        };
        allowed && !denied
    }

    /// Whether one of a host's addresses may be used.
    fn reaches(&self, address: SocketAddr) -> bool {
        let (ip, port) = (address.ip().to_canonical(), address.port());
        let denied = self
            .deny
            .iter()
            .any(|r| r.denies(ip) && r.port.is_none_or(|p| p == port));
        let named = self
            .allow
            .iter()
            .flatten()
            .any(|r| r.has_address(ip) && r.has_port(port));
        !denied && (named || public(ip))
    }

    /// Where a host is now, if the program may go there. All of its addresses have to be such: one that is not is a sign of an attack.
    pub fn look_up(&self, host: &str, port: u16) -> Lookup {
        if !self.names(host, port) {
            return Lookup::Denied;
        }
        let found = match host.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::new(ip, port)],
            Err(_) => match resolve(host, port) {
                Ok(found) if !found.is_empty() => found,
                _ => return Lookup::Unknown,
            },
        };
        if found.iter().all(|a| a.port() == port && self.reaches(*a)) {
            Lookup::Found(found)
        } else {
            Lookup::Denied
        }
    }
}

/// Whether an address is one of the public internet: not of this machine or its surroundings, not of several machines, not reserved,
/// and no IPv6 address with such an IPv4 address inside.
fn public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => public_v4(ip),
        IpAddr::V6(ip) => public_v6(ip),
    }
}

fn public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !special
}

fn public_v6(ip: Ipv6Addr) -> bool {
    if let Some(inside) = ip.to_ipv4_mapped() {
        return public_v4(inside);
    }
    let [a, b, ..] = ip.segments();
    // Global unicast, without its special blocks: protocol assignments and Teredo, documentation, 6to4.
    (a & 0xe000) == 0x2000
        && !(a == 0x2001 && (b < 0x0200 || b == 0x0db8))
        && a != 0x2002
        && !(a == 0x3fff && b < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(allow: &[&str], deny: &[&str]) -> NetScope {
        let list = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect();
        NetScope::new(&NetGrant {
            allow: Some(list(allow)),
            deny: list(deny),
        })
        .unwrap()
    }

    #[test]
    fn addresses_of_the_surroundings_are_not_public() {
        for ip in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!public(ip.parse().unwrap()), "{ip}");
        }
        for ip in [
            "1.1.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
        ] {
            assert!(public(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn hosts_are_names_or_addresses_and_nothing_else() {
        for text in [
            "",
            ".",
            "a..b",
            "a b",
            "a/b",
            "a@b",
            "a%00b",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "127.1",
            "0177.0.0.1",
            "127.0.0.1.",
            "1.2.3.4.5",
            "ⓛocalhost",
            "a\u{3002}b",
            "[::1",
            "::1%lo",
            "a\0b",
            "a:b",
        ] {
            assert_eq!(host_of(text), None, "{text}");
        }
        assert_eq!(host_of("Example.ORG.").as_deref(), Some("example.org"));
        assert_eq!(host_of("[::FFFF:127.0.0.1]").as_deref(), Some("127.0.0.1"));
        assert_eq!(host_of("[0:0:0:0:0:0:0:1]").as_deref(), Some("::1"));
    }

    #[test]
    fn rules() {
        let s = scope(
            &[
                "example.org",
                "api.example.org:8443",
                "127.0.0.1:9000",
                "10.0.0.0/8:5432",
                "[::1]:9000",
            ],
            &["example.org:80"],
        );
        for (host, port, named) in [
            ("example.org", 443, true),
            ("example.org", 80, false),
            ("example.org", 22, false),
            ("www.example.org", 443, false),
            ("notexample.org", 443, false),
            ("api.example.org", 8443, true),
            ("api.example.org", 443, false),
            ("127.0.0.1", 9000, true),
            ("127.0.0.1", 9001, false),
            ("10.9.8.7", 5432, true),
            ("11.0.0.1", 5432, false),
            ("::1", 9000, true),
            ("8.8.8.8", 443, false),
        ] {
            assert_eq!(s.names(host, port), named, "{host}:{port}");
        }
        // Ranges of IPv4 in the spelling of IPv6.
        let s = scope(
            &["::ffff:10.0.0.0/104", "[::ffff:192.168.0.1]:80"],
            &["::ffff:10.9.0.0/112"],
        );
        for (host, named) in [
            ("10.1.0.1", true),
            ("10.9.0.1", false),
            ("11.0.0.1", false),
            ("192.168.0.1", true),
        ] {
            assert_eq!(s.names(host, 80), named, "{host}");
        }
        let address = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 80);
        for range in ["::ffff:8.8.0.0/112", "::/0", "::ffff:0:0/80"] {
            let s = NetScope::new(&NetGrant {
                allow: None,
                deny: vec![range.into()],
            })
            .unwrap();
            assert!(
                !s.names("8.8.8.8", 80) && !s.reaches(address("8.8.8.8")),
                "{range}"
            );
            assert!(!s.reaches(address("::ffff:8.8.8.8")), "{range}");
        }
        assert!(!scope(&["::/0"], &[]).names("127.0.0.1", 80));
        let public = NetScope::new(&NetGrant::default()).unwrap();
        assert!(public.names("8.8.8.8", 443) && !public.names("127.0.0.1", 443));
        assert_eq!(public.look_up("127.0.0.1", 80), Lookup::Denied);
        for bad in [
            "",
            "a:",
            "a:0",
            "a:65536",
            "a:b",
            "1.2.3.4/33",
            "[::1",
            "http://a",
            "*",
            "a b",
            "127.1",
        ] {
            assert!(rule(bad).is_err(), "{bad}");
        }
    }
}
