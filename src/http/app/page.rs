//! The plain page at `/` and the link that signs in to it. The console proper is a room of its own.

use super::{House, cookie};
use crate::http::query;
use crate::http::reply::Reply;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, LOCATION, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

const HOME: &str = include_str!("page/home.html");
const SIGN_IN: &str = include_str!("page/sign_in.html");

impl House {
    pub(super) fn home(&self, parts: &Parts) -> Reply {
        match cookie(parts).and_then(|secret| self.admin.session(secret)) {
            Some(_) => self.page(StatusCode::OK, HOME),
            None => self.page(StatusCode::UNAUTHORIZED, SIGN_IN),
        }
    }

    /// A one-time token becomes a session, and the token leaves the address bar. Programs that look at a link before a person
    /// follows it ask with HEAD; that must not use it up.
    pub(super) fn open_session(&self, parts: &Parts) -> Reply {
        if parts.method != Method::GET {
            return Reply::no_content();
        }
        let secret = query::value(parts.uri.query(), "token").and_then(|token| self.admin.sign_in(&token));
        let Some(secret) = secret else {
            return self.page(StatusCode::UNAUTHORIZED, SIGN_IN);
        };
        let cookie = format!("weir_session={secret}; Path=/; HttpOnly; SameSite=Lax");
        let cookie = HeaderValue::from_str(&cookie).expect("hexadecimal digits are a header value");
        Reply::new(StatusCode::SEE_OTHER, HeaderValue::from_static("text/html; charset=utf-8"), "")
            .header(LOCATION, HeaderValue::from_static("/"))
            .header(SET_COOKIE, cookie)
            .header(CACHE_CONTROL, HeaderValue::from_static("no-store"))
    }

    /// A page whose only script is the one that we put there.
    fn page(&self, status: StatusCode, html: &str) -> Reply {
        let nonce = format!("{:032x}", self.admin.random_u128());
        let policy = format!(
            "default-src 'none'; connect-src 'self'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        let policy = HeaderValue::from_str(&policy).expect("hexadecimal digits are a header value");
        let kind = HeaderValue::from_static("text/html; charset=utf-8");
        Reply::new(status, kind, html.replace("{{nonce}}", &nonce))
            .header(CONTENT_SECURITY_POLICY, policy)
            .header(REFERRER_POLICY, HeaderValue::from_static("no-referrer"))
            .header(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
            .header(CACHE_CONTROL, HeaderValue::from_static("no-store"))
    }
}
