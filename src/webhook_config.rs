//! The operator's own webhook configurations: what they must say, and the task that keeps them saying it.
//!
//! Nothing else can guard them: the API server sends their changes to no webhook (E16).

mod built_in;
mod conditions;
mod delegated;
mod desired;
mod diff;
mod owned;
mod owner;
mod startup;

use std::str::FromStr;

use countersign_core::{environment::Environment, snapshot::Cluster};

pub use conditions::MAX_STARTUP_DELEGATIONS;
pub use owner::{Enforced, WebhookConfigOwner};
pub use startup::{StartupObject, StartupPlace, StartupRule, StartupWrite, StartupWriters};

/// Name of both configurations.
pub const NAME: &str = countersign_api::mutator::CONFIGURATION;

/// Annotation on the ValidatingWebhookConfiguration that switches enforcement off, with the value `off`: the
/// documented recovery for a cluster without admins. The failure policy then stays `Ignore`.
pub const OFF_SWITCH: &str = "countersign.dev/enforcement";

/// Everything that the configurations depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where the webhook listens.
    pub endpoint: Endpoint,
    /// The secret in the path, see [`PathKey`](crate::keys::PathKey).
    pub path_secret: String,
    /// The authority of the webhook's certificate, in PEM.
    pub ca_bundle: String,
    /// Whether strict mode is on: the failure policy is `Fail` then, and `Ignore` otherwise.
    pub strict: bool,
    /// The environments in whose namespaces, by their label, it is `Ignore` nevertheless.
    pub fails_open: Vec<Environment>,
    /// The operator's namespace, which must be able to come back while no replica runs.
    pub operator_namespace: String,
    /// The operator, whose own steps of tickets pass unseen.
    pub operator: Caller,
    /// Delegations that are evaluated at start-up, beside the built-in ones; those beyond
    /// [`MAX_STARTUP_DELEGATIONS`] are left to the webhook.
    pub startup: Vec<StartupRule>,
}

/// A user as the API server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its name.
    pub username: String,
    /// Its uid, which a client certificate has none of.
    pub uid: String,
}

impl Caller {
    /// The operator.
    pub fn operator(cluster: &Cluster) -> Self {
        Self {
            username: cluster.operator.to_string(),
            uid: cluster.operator_uid.to_string(),
        }
    }
}

/// What becomes of a write when the webhook does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    /// It is allowed.
    Ignore,
    /// It is denied.
    Fail,
}

impl FailurePolicy {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ignore => "Ignore",
            Self::Fail => "Fail",
        }
    }
}

/// Where the API server reaches the webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A Service of the cluster.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its port.
        port: u16,
    },
    /// `https://<host>:<port>`, for an operator outside the cluster.
    Url(WebhookUrl),
}

impl Endpoint {
    /// The names under which the API server verifies the webhook's certificate.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Service { namespace, name, .. } => vec![format!("{name}.{namespace}.svc")],
            Self::Url(url) => vec![url.host.clone()],
        }
    }
}

/// The beginning of an https URL: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookUrl {
    base: String,
    host: String,
    port: u16,
}

/// A text that is no address of a webhook.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a webhook address: use https://<host>:<port> without a path")]
pub struct InvalidWebhookUrl(String);

impl FromStr for WebhookUrl {
    type Err = InvalidWebhookUrl;

    fn from_str(text: &str) -> Result<Self, InvalidWebhookUrl> {
        let invalid = || InvalidWebhookUrl(text.to_owned());
        let uri: http::Uri = text.parse().map_err(|_| invalid())?;
        let host = uri
            .host()
            .map(|host| host.trim_matches(['[', ']']))
            .unwrap_or_default();
        let bare = uri.path() == "/" && uri.query().is_none() && !text.contains(['@', '#']);
        if uri.scheme_str() != Some("https") || host.is_empty() || !bare {
            return Err(invalid());
        }
        Ok(Self {
            base: text.trim_end_matches('/').to_owned(),
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(443),
        })
    }
}

impl WebhookUrl {
    /// `<host>:<port>`, what listens there.
    pub fn authority(&self) -> String {
        let (host, port) = (&self.host, self.port);
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_address_is_https_and_bare() {
        for (text, host) in [
            ("https://localhost:8443", "localhost"),
            ("https://ops.example.com/", "ops.example.com"),
            ("https://[::1]:8443", "::1"),
        ] {
            let url: WebhookUrl = text.parse().unwrap();
            assert_eq!(Endpoint::Url(url.clone()).names(), [host]);
            assert_eq!(url.base, text.trim_end_matches('/'));
        }
        for text in [
            "",
            "localhost:8443",
            "http://localhost:8443",
            "https://localhost/x",
            "https://localhost/?q",
            "https://a@localhost",
        ] {
            assert_eq!(
                text.parse::<WebhookUrl>(),
                Err(InvalidWebhookUrl(text.to_owned()))
            );
        }
    }
}
