use super::super::netlink::push;
use super::*;

fn nested(parts: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, value) in parts {
        push(&mut bytes, *kind, value);
    }
    bytes
}

fn expression(name: &str, data: &[(u16, &[u8])]) -> Vec<u8> {
    let name = [name.as_bytes(), b"\0"].concat();
    nested(&[(1, &name), (2, &nested(data))])
}

fn number(value: u32) -> [u8; 4] {
    value.to_be_bytes()
}

fn cmp(operator: u32, value: &[u8]) -> Vec<u8> {
    let value = nested(&[(1, value)]);
    expression(
        "cmp",
        &[(1, &number(1)), (2, &number(operator)), (3, &value)],
    )
}

fn meta(key: u32) -> Vec<u8> {
    expression("meta", &[(1, &number(1)), (2, &number(key))])
}

fn payload(base: u32, offset: u32, length: u32) -> Vec<u8> {
    expression(
        "payload",
        &[
            (1, &number(1)),
            (2, &number(base)),
            (3, &number(offset)),
            (4, &number(length)),
        ],
    )
}

fn verdict(code: u32) -> Vec<u8> {
    let verdict = nested(&[(2, &nested(&[(1, &number(code))]))]);
    expression("immediate", &[(1, &number(0)), (2, &verdict)])
}

fn rule_of(family: u8, expressions: &[Vec<u8>]) -> Vec<u8> {
    let parts: Vec<(u16, &[u8])> = expressions.iter().map(|e| (1, e.as_slice())).collect();
    let mut bytes = vec![family, 0, 0, 0];
    bytes.extend(nested(&[
        (1, b"filter\0"),
        (2, b"input\0"),
        (3, &5u64.to_be_bytes()),
        (4, &nested(&parts)),
    ]));
    bytes
}

fn text(family: u8, expressions: &[Vec<u8>]) -> Option<String> {
    rule(&rule_of(family, expressions), &BTreeMap::new()).map(|rule| rule.text)
}

#[test]
fn simple_rules_are_told_as_nft_does() {
    let tcp = [meta(16), cmp(0, &[6])];
    let port = [payload(2, 2, 2), cmp(0, &22u16.to_be_bytes())];
    let rule = [&tcp[..], &port, &[verdict(0)]].concat();
    assert_eq!(text(1, &rule).as_deref(), Some("tcp dport 22 drop"));
    let source = [payload(1, 12, 3), cmp(1, &[10, 1, 2]), verdict(0)];
    assert_eq!(
        text(2, &source).as_deref(),
        Some("ip saddr != 10.1.2.0/24 drop")
    );
    let mask = nested(&[(1, &1u32.to_ne_bytes())]);
    let state = [
        expression("ct", &[(1, &number(1)), (2, &number(0))]),
        expression("bitwise", &[(1, &number(1)), (2, &number(1)), (4, &mask)]),
        cmp(1, &[0; 4]),
        expression("counter", &[(1, &[0; 8]), (2, &3u64.to_be_bytes())]),
        verdict(0),
    ];
    assert_eq!(text(1, &state).as_deref(), Some("ct state invalid drop"));
    let found = super::rule(&rule_of(1, &state), &BTreeMap::new()).expect("rule");
    assert_eq!((found.handle, found.packets), (5, Some(3)));
    let device = [meta(6), cmp(0, b"eth0\0\0\0\0"), expression("reject", &[])];
    assert_eq!(text(1, &device).as_deref(), Some("iifname \"eth0\" reject"));
    assert_eq!(
        text(1, &[expression("numgen", &[]), verdict(0)]).as_deref(),
        Some("[numgen] drop")
    );
    let ends = [4000u16, 5000].map(|port| nested(&[(1, &port.to_be_bytes())]));
    let range = expression(
        "range",
        &[
            (1, &number(1)),
            (2, &number(1)),
            (3, &ends[0]),
            (4, &ends[1]),
        ],
    );
    let ports = [meta(16), cmp(0, &[17]), payload(2, 2, 2), range, verdict(0)];
    assert_eq!(
        text(1, &ports).as_deref(),
        Some("udp dport != 4000-5000 drop")
    );
    let ether = [
        payload(0, 12, 2),
        cmp(0, &[8, 0]),
        payload(1, 16, 4),
        cmp(0, &[10, 0, 0, 1]),
        verdict(0),
    ];
    assert_eq!(text(5, &ether).as_deref(), Some("ip daddr 10.0.0.1 drop"));
    assert_eq!(text(1, &[verdict(1)]), None);
}

#[test]
fn a_policy_is_a_rule_and_every_prefix_is_survived() {
    let mut chain = vec![1, 0, 0, 0];
    chain.extend(nested(&[
        (1, b"filter\0"),
        (3, b"input\0"),
        (4, &nested(&[(1, &number(1))])),
        (5, &number(NF_DROP)),
    ]));
    let mask = nested(&[(1, &[255, 255, 240, 0])]);
    let rule = rule_of(
        2,
        &[
            payload(1, 16, 4),
            expression("bitwise", &[(1, &number(1)), (2, &number(1)), (4, &mask)]),
            cmp(0, &[10, 0, 16, 0]),
            verdict(0),
        ],
    );
    let all = read(&[(0, chain.clone())], &[(0, rule.clone())]);
    let told: Vec<_> = all.iter().map(|rule| rule.text.as_str()).collect();
    assert_eq!(told, ["ip daddr 10.0.16.0/20 drop", "policy drop"]);
    assert_eq!((all[1].hook, all[1].family), (Some("input"), "inet"));
    for end in 0..rule.len() {
        let _rules = read(
            &[(0, chain.get(..end).unwrap_or_default().to_vec())],
            &[(0, rule[..end].to_vec())],
        );
    }
}

/// With `--nocapture`, in a namespace with rules, to be held against `nft list ruleset`.
#[test]
fn the_rules_of_this_namespace_are_read() {
    match list() {
        Ok(rules) => {
            for rule in rules {
                println!("{rule:?}");
            }
        }
        Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{error}"),
    }
}
