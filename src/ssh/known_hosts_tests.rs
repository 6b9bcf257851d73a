use super::*;

const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

/// The name `h` at port 22, as `ssh-keygen -H` writes it.
fn hashed(name: &str) -> String {
    let salt = [7u8; 20];
    format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(hmac_sha1(&salt, name.as_bytes())))
}

fn check(text: &str, name: &str, port: u16, policy: HostKeyPolicy) -> (HostCheck, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("known_hosts");
    fs::write(&file, text).unwrap();
    let rules = Rules { policy, files: vec![file], ..Rules::default() };
    (HostCheck::read("inv", name, port, &rules).unwrap(), dir)
}

fn shown(key: &str) -> PublicKeyOrCertificate {
    PublicKey::from_openssh(key).unwrap().into()
}

fn verdict(text: &str, name: &str, port: u16) -> String {
    let (check, _dir) = check(text, name, port, HostKeyPolicy::Strict);
    match check.verify(&shown(A)) {
        Ok(None) => "known".into(),
        Ok(Some(Doubt(why))) => why,
        Err(SshError::HostKeyUnknown { .. }) => "unknown".into(),
        Err(SshError::HostKeyChanged { line, .. }) => format!("changed {line}"),
        Err(SshError::HostKeyRevoked { line, .. }) => format!("revoked {line}"),
        Err(other) => other.to_string(),
    }
}

#[test]
fn hosts_are_found_as_sshd_8_says() {
    let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7vbqajDhA";
    let cases = [
        (format!("h {A}"), "h", 22, "known"),
        (format!("h {A} a comment that plays no part"), "h", 22, "known"),
        (format!("H {A}"), "h", 22, "known"),
        (format!("h {A}"), "H", 22, "known"),
        (format!("h\t{A}"), "h", 22, "known"),
        (format!("# h {B}\n\nh {A}"), "h", 22, "known"),
        (format!("other,h {A}"), "h", 22, "known"),
        (format!("other {A}"), "h", 22, "unknown"),
        (String::new(), "h", 22, "unknown"),
        (format!("*.example.org {A}"), "a.example.org", 22, "known"),
        (format!("*.example.org,!b.example.org {A}"), "b.example.org", 22, "unknown"),
        (format!("10.0.0.? {A}"), "10.0.0.7", 22, "known"),
        (format!("10.0.0.? {A}"), "10.0.0.17", 22, "unknown"),
        (format!("[h]:2222 {A}"), "h", 2222, "known"),
        (format!("[h]:2222 {A}"), "h", 22, "unknown"),
        (format!("h {A}"), "h", 2222, "known"),
        (format!("h {A}\n[h]:2222 {B}"), "h", 2222, "changed 2"),
        (format!("{} {A}", hashed("h")), "h", 22, "known"),
        (format!("{} {A}", hashed("[h]:2222")), "h", 2222, "known"),
        (format!("{} {A}", hashed("g")), "h", 22, "unknown"),
        (format!("h {B}"), "h", 22, "changed 1"),
        (format!("\nx {A}\nh {B}"), "h", 22, "changed 3"),
        (format!("h {B}\nh {A}"), "h", 22, "known"),
        (format!("@revoked * {A}\nh {A}"), "h", 22, "revoked 1"),
        (format!("h {A}\n@revoked h {A}"), "h", 2222, "revoked 2"),
        (format!("@revoked h {B}\nh {A}"), "h", 22, "known"),
        (format!("@cert-authority * {A}"), "h", 22, "unknown"),
        (format!("@unheard-of h {A}"), "h", 22, "unknown"),
        (format!("h not-a-type xyz\nh {A}"), "h", 22, "known"),
        (format!("h {rsa}\nh {A}"), "h", 22, "known"),
    ];
    for (text, name, port, expected) in cases {
        assert_eq!(verdict(&text, name, port), expected, "{text:?} for {name} port {port}");
    }
}

#[test]
fn algorithms_with_a_recorded_key_come_first() {
    let ecdsa = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHwf2HMM5TRXvo2SQJjsNkiDD5KqiiNjrGVv3UUh+mMT5RHxiRtOnlqvjhQtBq0VpmpCV/PwUdhOig4vkbqAcEc=";
    let (check, _dir) = check(&format!("h {ecdsa}"), "h", 22, HostKeyPolicy::Strict);
    let first = check.algorithms().first().cloned().unwrap();
    assert_eq!(first, Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 });
    assert_eq!(check.algorithms().len(), supported().len());
    assert!(check.certificate_algorithms().is_empty());
    // Showing another kind of key does not make it a new host.
    assert!(matches!(check.verify(&shown(A)), Err(SshError::HostKeyChanged { line: 1, .. })));
}

#[test]
fn a_new_key_is_recorded_once_and_then_known() {
    for hashed in [false, true] {
        let (mut check, dir) = check("last line without end ignored", "h", 2222, HostKeyPolicy::AcceptNew);
        check.hashed = hashed;
        let file = dir.path().join("known_hosts");
        std::thread::scope(|scope| {
            for _ in 0..50 {
                scope.spawn(|| check.verify(&shown(A)).unwrap());
            }
        });
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text.matches(A).count(), 1, "{text}");
        assert_eq!(text.contains("[h]:2222"), !hashed);
        assert_eq!(verdict(&text, "h", 2222), "known");
        // Somebody else's key, recorded meanwhile, is not overruled.
        assert!(matches!(check.verify(&shown(B)), Err(SshError::HostKeyChanged { line: 2, .. })));
    }
}

#[test]
fn nothing_is_recorded_unless_asked_for() {
    let (check, dir) = check("", "h", 22, HostKeyPolicy::Strict);
    let error = check.verify(&shown(A)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("SHA256:") && text.starts_with("inv: the ed25519 host key of h"), "{text}");
    assert_eq!(fs::read_to_string(dir.path().join("known_hosts")).unwrap(), "");
}

#[test]
fn hmac_matches_rfc_2202() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&hmac_sha1(&[0x0b; 20], b"Hi There")), "b617318655057264e28bc0b6fb378c8ef146be00");
    assert_eq!(hex(&hmac_sha1(b"Jefe", b"what do ya want for nothing?")), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    let long = hmac_sha1(&[0xaa; 80], b"Test Using Larger Than Block-Size Key - Hash Key First");
    assert_eq!(hex(&long), "aa4ae5e15272d00e95705637ce8a3b55ed402112");
}

#[test]
fn wildcards_match_as_in_ssh_config() {
    let cases = [
        ("*", "", true),
        ("*", "abc", true),
        ("a*c", "abbbc", true),
        ("a*c", "abbb", false),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("*a*b*", "xaybz", true),
        ("", "", true),
        ("", "a", false),
        ("[h]:22", "[h]:22", true),
    ];
    for (pattern, text, expected) in cases {
        assert_eq!(wildcard(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn without_a_check_everybody_passes_and_only_the_known_one_without_doubt() {
    let doubt = |text: &str| {
        let (check, _dir) = check(text, "h", 22, HostKeyPolicy::Off);
        check.verify(&shown(A)).unwrap().map_or_else(String::new, |Doubt(why)| why)
    };
    assert_eq!(doubt(&format!("h {A}")), "");
    assert!(doubt("").contains("is not known"));
    assert!(doubt(&format!("h {B}")).contains("CHANGED"));
    assert!(doubt(&format!("h {A}\n@revoked * {A}")).contains("revoked"));
}
