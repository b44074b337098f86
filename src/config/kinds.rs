//! The kinds of value a setting can have, read the same way from a file, the environment and a flag. Knows no setting.

use serde::de::{self, Deserialize, Deserializer, Visitor};
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// Why a text is not the value it should be: says what is wrong with it and how it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotA(String);

/// An IP address and port to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

impl Default for Listen {
    fn default() -> Self {
        Listen(super::DEFAULT_LISTEN.parse().expect("the default address is one"))
    }
}

impl FromStr for Listen {
    type Err = NotA;

    fn from_str(text: &str) -> Result<Listen, NotA> {
        let wrong = |what: &str| Err(NotA(format!("`{text}` {what}; write {}", super::DEFAULT_LISTEN)));
        if text.parse::<u16>().is_ok() {
            return wrong("has no address");
        }
        if text.parse::<std::net::IpAddr>().is_ok() {
            return wrong("has no port");
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return wrong("is not an address and a port");
        };
        if port.parse::<u16>().is_err() {
            return wrong(&format!("has the port `{port}`, which is not a number from 0 to 65535"));
        }
        let host = if host == "localhost" { "127.0.0.1" } else { host };
        match format!("{host}:{port}").parse() {
            Ok(address) => Ok(Listen(address)),
            Err(_) => wrong(&format!("has the host `{host}`, which is not an IP address (IPv6 goes in brackets)")),
        }
    }
}

/// A number of bytes: `4096`, `128KiB`, `4MiB`, `1GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

const SIZE_UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

impl FromStr for Size {
    type Err = NotA;

    fn from_str(text: &str) -> Result<Size, NotA> {
        let unit = SIZE_UNITS.iter().find_map(|(name, bytes)| Some((text.strip_suffix(name)?, *bytes)));
        let (digits, bytes) = unit.unwrap_or((text, 1));
        digits
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(bytes))
            .map(Size)
            .ok_or_else(|| NotA(format!("`{text}` is not a size; write bytes (4096) or 128KiB, 4MiB, 1GiB")))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SIZE_UNITS.iter().find(|(_, bytes)| self.0 > 0 && self.0.is_multiple_of(*bytes)) {
            Some((name, bytes)) => write!(f, "{}{name}", self.0 / bytes),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

/// A length of time: `500ms`, `10s`, `2m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(pub Duration);

impl FromStr for Wait {
    type Err = NotA;

    fn from_str(text: &str) -> Result<Wait, NotA> {
        let units = [("ms", 1), ("s", 1_000), ("m", 60_000)];
        units
            .iter()
            .find_map(|(name, ms)| Some((text.strip_suffix(name)?, *ms)))
            .and_then(|(digits, ms)| digits.parse::<u64>().ok()?.checked_mul(ms))
            .map(|ms| Wait(Duration::from_millis(ms)))
            .ok_or_else(|| NotA(format!("`{text}` is not a length of time; write 500ms, 10s or 2m")))
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            ms if ms > 0 && ms.is_multiple_of(1_000) => write!(f, "{}s", ms / 1_000),
            ms => write!(f, "{ms}ms"),
        }
    }
}

/// How much is logged on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// Where events go. All but the first is for benchmarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    #[default]
    Redb,
    Log,
}

/// Reads a text by `FromStr`, and a bare number too, as one writes it in JSON.
struct Written<T>(std::marker::PhantomData<T>);

impl<T: FromStr<Err = NotA>> Visitor<'_> for Written<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a whole number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

macro_rules! deserialize_as_written {
    ($($name:ident),*) => {
        $(impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                deserializer.deserialize_any(Written(std::marker::PhantomData))
            }
        })*
    };
}

deserialize_as_written!(Listen, Size, Wait);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_or_told_what_is_wrong() {
        for (text, read) in [
            ("127.0.0.1:8750", "127.0.0.1:8750"),
            ("localhost:0", "127.0.0.1:0"),
            ("0.0.0.0:65535", "0.0.0.0:65535"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().0.to_string(), read);
        }
        for (text, what) in [
            ("8750", "`8750` has no address"),
            ("127.0.0.1", "`127.0.0.1` has no port"),
            ("::1", "`::1` has no port"),
            ("", "`` is not an address and a port"),
            ("127.0.0.1:", "has the port ``, which is not a number from 0 to 65535"),
            ("127.0.0.1:65536", "has the port `65536`, which is not a number from 0 to 65535"),
            ("example.com:80", "has the host `example.com`, which is not an IP address"),
            (":80", "has the host ``, which is not an IP address"),
        ] {
            let error = text.parse::<Listen>().unwrap_err().to_string();
            assert!(error.contains(what), "{text}: {error}");
            assert!(error.ends_with("write 127.0.0.1:8750"), "{error}");
        }
    }

    #[test]
    fn sizes_and_times_print_as_they_are_read() {
        for (text, bytes) in [("4096", 4096), ("0", 0), ("128KiB", 131_072), ("4MiB", 4 << 20), ("2GiB", 2 << 30)] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        assert_eq!(Size(131_072).to_string(), "128KiB");
        assert_eq!(Size(1_000).to_string(), "1000 bytes");
        for text in ["", "KiB", "4MB", "4 MiB", "-1", "1.5MiB", "99999999999GiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        for (text, ms) in [("500ms", 500), ("10s", 10_000), ("2m", 120_000), ("0s", 0)] {
            assert_eq!(text.parse(), Ok(Wait(Duration::from_millis(ms))), "{text}");
        }
        for text in ["", "10", "s", "-1s", "1.5s", "1h", "99999999999999999999s"] {
            assert!(text.parse::<Wait>().is_err(), "{text}");
        }
    }
}
