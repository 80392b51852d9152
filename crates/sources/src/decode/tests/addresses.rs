//! Lenient parsing.

use expect_test::{Expect, expect};

use crate::decode::address::{parse_host_ip, parse_range};

fn check_ips(texts: &[&str], expected: Expect) {
    let line = |text: &&str| match parse_host_ip(text) {
        Ok(ip) => format!("{text:?} = {ip}\n"),
        Err(reason) => format!("{text:?} is {reason}\n"),
    };
    expected.assert_eq(&texts.iter().map(line).collect::<String>());
}

fn check_ranges(texts: &[&str], expected: Expect) {
    let line = |text: &&str| match parse_range(text) {
        Ok(range) => format!("{text:?} = {range}\n"),
        Err(reason) => format!("{text:?} is {reason}\n"),
    };
    expected.assert_eq(&texts.iter().map(line).collect::<String>());
}

#[test]
fn ips() {
    check_ips(
        &[
            "10.0.0.1",
            "010.00.000.0001",
            "192.168.001.255",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.256",
            "1.2.3.-4",
            "1.2.3.+4",
            "1.2.3.4 ",
            "1.2.3.",
            "0x1.2.3.4",
            "١.2.3.4",
            "",
            "::1",
            "FD00::0001",
            "fd00:::1",
            "::ffff:10.0.0.1",
            "::ffff:010.000.0.01",
            "::ffff:a00:1",
            "64:ff9b::10.0.0.01",
            "fe80::1%eth0",
            "[::1]",
            "127.0.0.1",
            "169.254.1.1",
            "0.0.0.0",
            "::",
            "::ffff:0.0.0.0",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
            "localhost",
        ],
        expect![[r#"
            "10.0.0.1" = 10.0.0.1
            "010.00.000.0001" = 10.0.0.1
            "192.168.001.255" = 192.168.1.255
            "1.2.3" is not an IP address
            "1.2.3.4.5" is not an IP address
            "1.2.3.256" is not an IP address
            "1.2.3.-4" is not an IP address
            "1.2.3.+4" is not an IP address
            "1.2.3.4 " is not an IP address
            "1.2.3." is not an IP address
            "0x1.2.3.4" is not an IP address
            "١.2.3.4" is not an IP address
            "" is not an IP address
            "::1" = ::1
            "FD00::0001" = fd00::1
            "fd00:::1" is not an IP address
            "::ffff:10.0.0.1" = 10.0.0.1
            "::ffff:010.000.0.01" = 10.0.0.1
            "::ffff:a00:1" = 10.0.0.1
            "64:ff9b::10.0.0.01" = 64:ff9b::a00:1
            "fe80::1%eth0" is not an IP address
            "[::1]" is not an IP address
            "127.0.0.1" = 127.0.0.1
            "169.254.1.1" = 169.254.1.1
            "0.0.0.0" is the unspecified address
            "::" is the unspecified address
            "::ffff:0.0.0.0" is the unspecified address
            "224.0.0.1" is a multicast address
            "ff02::1" is a multicast address
            "255.255.255.255" = 255.255.255.255
            "localhost" is not an IP address
        "#]],
    );
}

#[test]
fn ranges() {
    check_ranges(
        &[
            "10.0.0.0/8",
            "10.1.2.3/8",
            "010.001.0.0/016",
            "10.1.2.3/32",
            "0.0.0.0/0",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/ 8",
            "10.0.0.0/",
            "10.0.0.0",
            "10.0.0.0/8/8",
            "fd00::/64",
            "fd00::1/64",
            "fd00::/129",
            "::/0",
            "::ffff:10.0.0.0/104",
            "::ffff:10.0.0.0/64",
            "/8",
            "",
        ],
        expect![[r#"
            "10.0.0.0/8" = 10.0.0.0/8
            "10.1.2.3/8" = 10.0.0.0/8
            "010.001.0.0/016" = 10.1.0.0/16
            "10.1.2.3/32" = 10.1.2.3/32
            "0.0.0.0/0" = 0.0.0.0/0
            "10.0.0.0/33" is not a range of IP addresses (such as 10.0.0.0/8)
            "10.0.0.0/-1" is not a range of IP addresses (such as 10.0.0.0/8)
            "10.0.0.0/ 8" is not a range of IP addresses (such as 10.0.0.0/8)
            "10.0.0.0/" is not a range of IP addresses (such as 10.0.0.0/8)
            "10.0.0.0" is not a range of IP addresses (such as 10.0.0.0/8)
            "10.0.0.0/8/8" is not a range of IP addresses (such as 10.0.0.0/8)
            "fd00::/64" = fd00::/64
            "fd00::1/64" = fd00::/64
            "fd00::/129" is not a range of IP addresses (such as 10.0.0.0/8)
            "::/0" = ::/0
            "::ffff:10.0.0.0/104" = 10.0.0.0/8
            "::ffff:10.0.0.0/64" = ::/64
            "/8" is not a range of IP addresses (such as 10.0.0.0/8)
            "" is not a range of IP addresses (such as 10.0.0.0/8)
        "#]],
    );
}
