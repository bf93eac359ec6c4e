//! At which addresses and ports a grant of `Listen` lets a program listen.
//!
//! Nothing is looked up: a host is an address or `localhost`. Without a list, the addresses are those that only this machine reaches.
//! The address that stands for all of a machine's (`0.0.0.0`, `::`) must be named itself, and is denied with any of those that it
//! stands for. Port 0 is any free port, and a port like others: a grant of port 8080 is none of it.

use std::net::{IpAddr, SocketAddr};

use jet_vm::host::ListenGrant;

use super::net_scope::host_of;

/// A part of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    /// The first so many bits of an address.
    range: (IpAddr, u8),
    /// `None` is every port.
    port: Option<u16>,
}

/// A grant that is understood.
#[derive(Clone, Debug)]
pub(super) struct ListenScope {
    /// `None` is every port of the addresses that only this machine reaches.
    allow: Option<Vec<Rule>>,
    deny: Vec<Rule>,
    text: String,
}

const LOCALHOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// The address that a program means.
pub(super) fn address_of(host: &str) -> Option<IpAddr> {
    let host = host_of(host)?;
    if host == "localhost" {
        return Some(LOCALHOST);
    }
    host.parse().ok()
}

fn bits_of(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

/// The rules that a part of a grant stands for.
fn rules(text: &str) -> Result<Vec<Rule>, String> {
    let wrong = || format!("`{text}` is no ADDRESS, ADDRESS:PORT, ADDRESS/BITS or [ADDRESS]:PORT");
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
        match port.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if port.is_empty() => (host, None),
            None => return Err(wrong()),
        }
    } else if text.matches(':').count() > 1 {
        (text, None)
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let port = match port {
        None => None,
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => {
            Some(port.parse::<u16>().map_err(|_| wrong())?)
        }
        Some(_) => return Err(wrong()),
    };
    if let Some((address, bits)) = host.split_once('/') {
        let ip: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits: u8 = bits.parse().map_err(|_| wrong())?;
        if bits > bits_of(ip) {
            return Err(wrong());
        }
        return Ok(vec![Rule {
            range: (ip, bits),
            port,
        }]);
    }
    let host = host_of(host).ok_or_else(wrong)?;
    let addresses = if host == "localhost" {
        vec![LOCALHOST, IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)]
    } else {
        vec![host.parse::<IpAddr>().map_err(|_| wrong())?]
    };
    let rule = |ip| Rule {
        range: (ip, bits_of(ip)),
        port,
    };
    Ok(addresses.into_iter().map(rule).collect())
}

impl Rule {
    fn has_port(&self, port: u16) -> bool {
        self.port.is_none_or(|own| own == port)
    }

    fn has(&self, ip: IpAddr) -> bool {
        let (of, bits) = self.range;
        let drop = u32::from(bits_of(of).saturating_sub(bits));
        let same = |a: u128, b: u128| {
            a.checked_shr(drop).unwrap_or_default() == b.checked_shr(drop).unwrap_or_default()
        };
        match (of, ip) {
            (IpAddr::V4(of), IpAddr::V4(ip)) => same(of.to_bits().into(), ip.to_bits().into()),
            (IpAddr::V6(of), IpAddr::V6(ip)) => same(of.to_bits(), ip.to_bits()),
            _ => false,
        }
    }

    /// Whether it gives the address; all addresses of a machine are given by their own name only.
    fn gives(&self, ip: IpAddr) -> bool {
        let (of, bits) = self.range;
        self.has(ip) && (!ip.is_unspecified() || bits == 0 || bits == bits_of(of))
    }

    /// Whether it speaks of the address, or of one that it stands for. `::` stands for IPv4 too.
    fn touches(&self, ip: IpAddr) -> bool {
        self.has(ip) || (ip.is_unspecified() && (ip.is_ipv6() || self.range.0.is_ipv4()))
    }
}

impl ListenScope {
    pub fn new(grant: &ListenGrant) -> Result<ListenScope, String> {
        let all = |texts: &[String]| -> Result<Vec<Rule>, String> {
            let mut out = Vec::new();
            for text in texts {
                out.extend(rules(text)?);
            }
            Ok(out)
        };
        let mut text = match &grant.allow {
            None => "this machine only".to_owned(),
            Some(list) => list.join(", "),
        };
        if !grant.deny.is_empty() {
            text.push_str(", but not ");
            text.push_str(&grant.deny.join(", "));
        }
        Ok(ListenScope {
            allow: grant.allow.as_deref().map(all).transpose()?,
            deny: all(&grant.deny)?,
            text,
        })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the program may listen there. With port 0, what the system chose is to be asked for as well ([`ListenScope::denies`]).
    pub fn allows(&self, at: SocketAddr) -> bool {
        let granted = match &self.allow {
            None => at.ip().is_loopback(),
            Some(rules) => rules
                .iter()
                .any(|r| r.gives(at.ip()) && r.has_port(at.port())),
        };
        granted && !self.denies(at)
    }

    /// Whether a denial speaks of the address and port.
    pub fn denies(&self, at: SocketAddr) -> bool {
        self.deny
            .iter()
            .any(|r| r.touches(at.ip()) && r.has_port(at.port()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(allow: Option<&[&str]>, deny: &[&str]) -> ListenScope {
        let list = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect();
        ListenScope::new(&ListenGrant {
            allow: allow.map(list),
            deny: list(deny),
        })
        .unwrap()
    }

    fn allows(scope: &ListenScope, host: &str, port: u16) -> bool {
        address_of(host).is_some_and(|ip| scope.allows(SocketAddr::new(ip, port)))
    }

    #[test]
    fn grants_name_addresses_and_ports() {
        let s = scope(
            Some(&["127.0.0.1:8080", "[::1]:0", "10.0.0.0/8:80", "192.0.2.1"]),
            &[],
        );
        for (host, port, expected) in [
            ("127.0.0.1", 8080, true),
            ("localhost", 8080, true),
            ("LOCALHOST.", 8080, true),
            ("::ffff:127.0.0.1", 8080, true),
            ("127.0.0.1", 8081, false),
            ("127.0.0.1", 0, false),
            ("127.0.0.2", 8080, false),
            ("::1", 8080, false),
            ("[0:0:0:0:0:0:0:1]", 0, true),
            ("10.1.2.3", 80, true),
            ("10.1.2.3", 81, false),
            ("192.0.2.1", 0, true),
            ("192.0.2.1", 65_535, true),
            ("0.0.0.0", 8080, false),
            ("::", 0, false),
            ("example.org", 8080, false),
            ("2130706433", 8080, false),
            ("127.1", 8080, false),
            ("", 8080, false),
        ] {
            assert_eq!(allows(&s, host, port), expected, "{host} {port}");
        }
    }

    #[test]
    fn without_a_list_only_this_machine_reaches_it() {
        let s = scope(None, &["127.0.0.1:22"]);
        assert!(allows(&s, "127.0.0.1", 0) && allows(&s, "::1", 80) && allows(&s, "127.9.9.9", 1));
        for host in ["0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1", "10.0.0.1"] {
            assert!(!allows(&s, host, 8080), "{host}");
        }
        assert!(!allows(&s, "127.0.0.1", 22));
    }

    #[test]
    fn all_addresses_are_given_by_name_and_denied_with_any() {
        assert!(!allows(&scope(Some(&["0.0.0.0/8"]), &[]), "0.0.0.0", 80));
        assert!(allows(&scope(Some(&["0.0.0.0/0"]), &[]), "0.0.0.0", 80));
        assert!(allows(&scope(Some(&["0.0.0.0:80"]), &[]), "0.0.0.0", 80));
        assert!(!allows(&scope(Some(&["0.0.0.0:80"]), &[]), "127.0.0.1", 80));
        for deny in ["127.0.0.1", "10.0.0.0/8:80", "localhost:80"] {
            assert!(!allows(&scope(Some(&["0.0.0.0"]), &[deny]), "0.0.0.0", 80));
            assert!(!allows(&scope(Some(&["::"]), &[deny]), "::", 80));
        }
        assert!(allows(&scope(Some(&["0.0.0.0"]), &["::1"]), "0.0.0.0", 80));
        assert!(allows(
            &scope(Some(&["0.0.0.0"]), &["127.0.0.1:81"]),
            "0.0.0.0",
            80
        ));
    }

    #[test]
    fn other_texts_are_no_grants() {
        for bad in [
            "",
            ":80",
            "a:80",
            "example.org:80",
            "127.0.0.1:",
            "127.0.0.1:65536",
            "127.0.0.1:-1",
            "127.0.0.1:+1",
            "127.0.0.1:8o",
            "1.2.3.4/33",
            "[::1",
            "[::1]80",
            "http://127.0.0.1",
            "*",
            "*:80",
            "127.1:80",
            "0x7f000001:80",
            "::1%lo",
        ] {
            assert!(rules(bad).is_err(), "{bad}");
        }
    }
}
