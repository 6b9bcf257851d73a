//! Networks cut, merged and searched.

use ipnet::IpNet;
use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::query::ipaddr;
use super::{Net, mac, parse, shown};
use crate::template::args::Args;
use crate::template::error::failed;
use crate::template::value::{items, string};

/// How many addresses `usable_range` lists.
const MAX_ADDRESSES: u128 = 1 << 16;

fn no() -> Value {
    Value::from(false)
}

fn must_parse(text: &str, args: &Args) -> Result<Net, Error> {
    parse(text).ok_or_else(|| args.wrong(format!("`{text}` is not an address or a network")))
}

pub(super) fn cidr_merge(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let action = args.text_or("action", "merge")?;
    let texts: Vec<String> = items(value)?.iter().map(string).collect::<Result<_, _>>()?;
    let nets: Vec<Net> = texts.iter().map(|t| must_parse(t, args)).collect::<Result<_, _>>()?;
    match action.as_str() {
        "merge" => {
            let cidrs: Vec<IpNet> = nets.iter().filter_map(|n| n.cidr().parse().ok()).collect();
            let mut merged = IpNet::aggregate(&cidrs);
            merged.sort();
            Ok(merged.iter().map(|n| Value::from(n.to_string())).collect())
        }
        "span" => {
            let Some(first) = nets.first().copied() else { return Ok(Value::from(())) };
            if nets.len() == 1 {
                return Ok(Value::from(first.with_prefix()));
            }
            let low = nets.iter().map(|n| n.first()).min().unwrap_or_default();
            let high = nets.iter().map(|n| n.last()).max().unwrap_or_default();
            let same = (low ^ high).leading_zeros().saturating_sub(128 - first.bits());
            Ok(Value::from(Net { ip: low, prefix: same.min(first.bits()), ..first }.cidr()))
        }
        other => Err(args.wrong(format!("`{other}` is not an action: merge or span"))),
    }
}

pub(super) fn ip4_hex(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let delimiter = args.text_or("delimiter", "")?;
    let text = string(value)?;
    let address: std::net::Ipv4Addr =
        text.parse().map_err(|_| args.wrong(format!("`{text}` is not an IPv4 address")))?;
    Ok(Value::from(address.octets().map(|o| format!("{o:02x}")).join(&delimiter)))
}

pub(super) fn ipmath(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let amount = args.int("amount", 0)?;
    let net = must_parse(&string(value)?, args)?;
    let limit = if net.version == 4 { u128::from(u32::MAX) } else { u128::MAX };
    let moved = net.ip.checked_add_signed(i128::from(amount)).filter(|ip| *ip <= limit);
    moved.map(|ip| Value::from(net.show(ip))).ok_or_else(|| args.wrong("the result is not an address any more"))
}

pub(super) fn ipcut(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let amount = args.int("amount", 0)?;
    let net = must_parse(&string(value)?, args)?;
    let width = usize::try_from(net.bits()).unwrap_or(128);
    let all = format!("{:0width$b}", net.ip);
    let count = usize::try_from(amount.unsigned_abs()).unwrap_or(width).min(width);
    let cut = if amount < 0 { &all[width - count..] } else { &all[..count] };
    let (group, radix) = if net.version == 6 { (16, 16) } else { (8, 10) };
    let parts: Vec<String> = cut
        .as_bytes()
        .chunks(group)
        .map(|chunk| u32::from_str_radix(&String::from_utf8_lossy(chunk), 2).unwrap_or(0))
        .map(|n| if radix == 16 { format!("{n:x}") } else { n.to_string() })
        .collect();
    Ok(Value::from(parts.join(if net.version == 6 { ":" } else { "." })))
}

pub(super) fn ipsubnet(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let query = args.some("query").map_or(Ok(String::new()), |v| string(&v))?;
    let index = args.opt_int("index")?;
    let Some(net) = parse(&string(value)?) else { return Ok(no()) };
    let net = Net { ip: net.first(), ..net };
    if query.is_empty() {
        return Ok(Value::from(net.cidr()));
    }
    let Ok(prefix) = query.parse::<u32>() else { return place(net, &query, args) };
    let bits = net.bits();
    if prefix > bits {
        return Ok(no());
    }
    if net.size() == 1 {
        // An address: the networks it belongs to, the widest first.
        let Some(index) = index else { return Ok(Value::from(Net { prefix, ..net }.cidr())) };
        let wider: Vec<u32> = (prefix..bits).collect();
        let at = if index < 0 {
            wider.len().checked_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX))
        } else {
            usize::try_from(index).ok()
        };
        return Ok(at
            .and_then(|at| wider.get(at))
            .map_or_else(no, |prefix| Value::from(Net { prefix: *prefix, ..net }.cidr())));
    }
    if prefix < net.prefix {
        return Err(args.wrong(format!("a /{} network has no /{prefix} inside", net.prefix)));
    }
    let count = 1u128.checked_shl(prefix - net.prefix).unwrap_or(u128::MAX);
    let Some(index) = index else { return Ok(Value::from(count.to_string())) };
    let index = if index < 0 {
        count.checked_sub(u128::from(index.unsigned_abs()))
    } else {
        Some(u128::from(index.unsigned_abs()))
    };
    Ok(match index.filter(|index| *index < count) {
        Some(index) => {
            let ip = net.first() + index.checked_shl(bits - prefix).unwrap_or(0);
            Value::from(Net { ip, prefix, ..net }.cidr())
        }
        None => no(),
    })
}

/// Which of a network's subnets of this size the value is, counted from one.
fn place(net: Net, query: &str, args: &Args) -> Result<Value, Error> {
    let outer = must_parse(query, args)?;
    if outer.version != net.version || !(outer.first() <= net.first() && net.last() <= outer.last()) {
        return Err(args.wrong(format!("{} is not in the network {}", net.cidr(), outer.cidr())));
    }
    let shift = net.bits() - net.prefix;
    let index = (net.first() - outer.first()).checked_shr(shift).unwrap_or(0) + 1;
    Ok(Value::from(index.to_string()))
}

pub(super) fn ipwrap(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let query = args.some("query").map_or(Ok(String::new()), |v| string(&v))?;
    let wrap = |item: &Value| -> Value {
        match ipaddr(item, &query, None) {
            Ok(found) if found.is_true() => ipaddr(&found, "wrap", None).unwrap_or_else(|_| item.clone()),
            _ => item.clone(),
        }
    };
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => Ok(items(value)?.iter().map(wrap).collect()),
        _ => Ok(wrap(value)),
    }
}

pub(super) fn within(value: &Value, args: &mut Args, usable: bool) -> Result<Value, Error> {
    let outer = must_parse(&string(value)?, args)?;
    let inner = must_parse(&args.text("test")?, args)?;
    let range = if usable { outer.usable().unwrap_or((outer.ip, outer.ip)) } else { (outer.first(), outer.last()) };
    // An address with its network counts by the address alone.
    let (low, high) = if inner.is_address() { (inner.ip, inner.ip) } else { (inner.first(), inner.last()) };
    Ok(Value::from(outer.version == inner.version && range.0 <= low && high <= range.1))
}

pub(super) fn reduce_on_network(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let network = must_parse(&args.text("network")?, args)?;
    let mut out = Vec::new();
    for item in items(value)? {
        if let Some(net) = parse(&string(&item)?).filter(|net| net.version == network.version)
            && network.first() <= net.first()
            && net.last() <= network.last()
        {
            out.push(item);
        }
    }
    Ok(Value::from(out))
}

pub(super) fn nth_usable(value: &Value, args: &mut Args, forward: bool) -> Result<Value, Error> {
    let offset = args.int("offset", 0)?;
    let Some(net) = parse(&string(value)?) else { return Ok(no()) };
    let Some((first, last)) = net.usable() else { return Ok(Value::from(())) };
    let offset = i128::from(if forward { offset } else { -offset });
    let at = net.ip.checked_add_signed(offset).filter(|at| (first..=last).contains(at));
    Ok(at.map_or_else(|| Value::from(()), |at| Value::from(net.show(at))))
}

pub(super) fn nthhost(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let query = args.opt_int("query")?;
    let (Some(net), Some(nth)) = (parse(&string(value)?), query.filter(|q| *q != 0)) else { return Ok(no()) };
    let at = if nth < 0 {
        net.last().checked_sub(u128::from(nth.unsigned_abs()) - 1)
    } else {
        net.first().checked_add(u128::from(nth.unsigned_abs()))
    };
    Ok(at.filter(|at| (net.first()..=net.last()).contains(at)).map_or_else(no, |at| Value::from(net.show(at))))
}

/// An IPv6 address in full, as short as can be, or in the form of certificates.
pub(super) fn ipv6form(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let form = args.text("format")?;
    let text = string(value)?;
    let address: std::net::IpAddr = text.parse().map_err(|_| failed(format!("ipv6form: `{text}` is no IP address")))?;
    let std::net::IpAddr::V6(six) = address else { return Ok(Value::from(address.to_string())) };
    let groups = six.segments();
    let joined = |shown: Vec<String>| Ok(Value::from(shown.join(":")));
    match form.as_str() {
        "expand" => joined(groups.iter().map(|group| format!("{group:04x}")).collect()),
        "x509" => joined(groups.iter().map(|group| format!("{group:x}")).collect()),
        "compress" => Ok(Value::from(shown(6, u128::from(six)))),
        other => Err(failed(format!("ipv6form: `{other}` is no form: compress, expand or x509"))),
    }
}

pub(super) fn slaac(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let query = args.text_or("query", "")?;
    let (Some(net), Some(bytes)) = (parse(&string(value)?).filter(|n| n.version == 6), mac::parse(&query)) else {
        return Ok(no());
    };
    let [a, b, c, d, e, f] = bytes;
    let host = u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    Ok(Value::from(shown(6, (net.first() & !u128::from(u64::MAX)) | u128::from(host))))
}

pub(super) fn usable_range(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let text = string(value)?;
    let net = must_parse(&text, args)?;
    if net.ip != net.first() {
        return Err(failed(format!("usable_range: `{text}` has host bits set")));
    }
    if net.size() > MAX_ADDRESSES {
        return Err(args.wrong(format!("{} addresses are too many to list", net.size())));
    }
    let all: Value = (net.first()..=net.last()).map(|ip| Value::from(net.show(ip))).collect();
    Ok(Value::from_pairs([
        ("usable_ips", all),
        ("number_of_ips", Value::from(u64::try_from(net.size()).unwrap_or(u64::MAX))),
    ]))
}
