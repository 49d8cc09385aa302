//! The operator's certificate authority, and the serving certificate that it renews without a restart.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

/// Validity of the authority: ten years of 365 days.
const AUTHORITY_LIFETIME: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

/// Validity of a serving certificate: 90 days.
const SERVING_LIFETIME: SignedDuration = SignedDuration::from_hours(90 * 24);

/// A serving certificate is renewed when two thirds of its validity are over: after 60 days.
pub const ROTATE_AFTER: Duration = Duration::from_hours(60 * 24);

/// How long after a failed renewal the next is tried.
const RETRY_AFTER: Duration = Duration::from_mins(10);

/// Certificates are valid from this long before they are made: clocks differ.
const SKEW: SignedDuration = SignedDuration::from_hours(1);

/// A certificate cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    /// The authority's certificate or key is unusable, or it refuses a name.
    #[error("cannot make a certificate: {0}")]
    Issue(#[from] rcgen::Error),
    /// The certificate cannot be served.
    #[error("cannot serve the certificate: {0}")]
    Serve(#[from] rustls::Error),
    /// Nobody could prove that they may call.
    #[error("--webhook-client-ca {}: {source}", path.display())]
    Callers {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Who may call the webhook: everybody, unless they must prove by a certificate that they may.
#[derive(Clone, Debug, Default)]
pub struct Callers(Option<Arc<dyn ClientCertVerifier>>);

impl Callers {
    /// Whoever has a certificate of an authority in this file, in PEM.
    pub fn certified_by(file: &Path) -> Result<Self, CertsError> {
        let verifier = client_verifier(file).map_err(|source| CertsError::Callers {
            path: file.to_owned(),
            source,
        })?;
        Ok(Self(Some(verifier)))
    }
}

fn client_verifier(
    file: &Path,
) -> Result<Arc<dyn ClientCertVerifier>, Box<dyn std::error::Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file)? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build()?)
}

/// The authority that the API server is told to trust.
pub struct CertificateAuthority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CertificateAuthority(..)")
    }
}

impl CertificateAuthority {
    /// A new authority: its certificate and its key, in PEM.
    pub fn generate(now: Timestamp) -> Result<(String, String), CertsError> {
        let key = KeyPair::generate()?;
        let mut params = certificate("countersign", &[], now, AUTHORITY_LIFETIME)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
    }

    /// The authority of this certificate and key, in PEM.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, CertsError> {
        let issuer = Issuer::from_ca_cert_pem(certificate, KeyPair::from_pem(key)?)?;
        Ok(Self {
            certificate: certificate.to_owned(),
            issuer,
        })
    }

    /// The certificate in PEM: the `caBundle` of the webhook configurations.
    pub fn bundle(&self) -> &str {
        &self.certificate
    }

    fn serve(&self, names: &[String], callers: &Callers, now: Timestamp) -> Result<ServerConfig, CertsError> {
        let key = KeyPair::generate()?;
        let mut params = certificate("countersign webhook", names, now, SERVING_LIFETIME)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?;
        server_config(
            certificate.der().clone(),
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            callers,
        )
    }
}

/// A new configuration each time: what an old one resumes must not outlive its certificate.
fn server_config(
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    callers: &Callers,
) -> Result<ServerConfig, CertsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = match &callers.0 {
        Some(verifier) => config.with_client_cert_verifier(verifier.clone()),
        None => config.with_no_client_auth(),
    };
    let mut config = config.with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificate(
    common_name: &str,
    names: &[String],
    now: Timestamp,
    lifetime: SignedDuration,
) -> Result<CertificateParams, rcgen::Error> {
    // A time that cannot be represented ends a certificate early rather than late.
    let at = |duration| SystemTime::from(now.saturating_add(duration).unwrap_or(now)).into();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = at(-SKEW);
    params.not_after = at(lifetime);
    Ok(params)
}

/// What the webhook listener serves with; every handshake takes the present one.
#[derive(Debug)]
pub struct ServingTls {
    config: ArcSwap<ServerConfig>,
    authority: CertificateAuthority,
    names: Vec<String>,
    callers: Callers,
}

impl ServingTls {
    /// Serves these callers under these DNS names and IP addresses.
    pub fn new(
        authority: CertificateAuthority,
        names: Vec<String>,
        callers: Callers,
        now: Timestamp,
    ) -> Result<Self, CertsError> {
        let config = ArcSwap::from_pointee(authority.serve(&names, &callers, now)?);
        Ok(Self {
            config,
            authority,
            names,
            callers,
        })
    }

    /// The certificate in PEM that proves who serves.
    pub fn ca_bundle(&self) -> &str {
        self.authority.bundle()
    }

    /// The present configuration.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }

    /// Makes a new certificate; open connections keep theirs.
    pub fn rotate(&self, now: Timestamp) -> Result<(), CertsError> {
        let config = self.authority.serve(&self.names, &self.callers, now)?;
        self.config.store(Arc::new(config));
        Ok(())
    }

    /// Renews the certificate whenever it is due. Never returns.
    pub async fn keep_fresh(&self) {
        let mut wait = ROTATE_AFTER;
        loop {
            tokio::time::sleep(wait).await;
            wait = match self.rotate(Timestamp::now()) {
                Ok(()) => ROTATE_AFTER,
                Err(error) => {
                    tracing::error!(%error, "the serving certificate was not renewed");
                    RETRY_AFTER
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> CertificateAuthority {
        let (certificate, key) = CertificateAuthority::generate(Timestamp::now()).unwrap();
        CertificateAuthority::from_pem(&certificate, &key).unwrap()
    }

    #[test]
    fn an_authority_is_one_for_ten_years() {
        let now = Timestamp::now();
        let (certificate, _) = CertificateAuthority::generate(now).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(certificate.as_bytes()).unwrap();
        let parsed = pem.parse_x509().unwrap();
        assert!(parsed.is_ca());
        let days = (parsed.validity().not_after.timestamp() - now.as_second()) / 86_400;
        assert_eq!(days, 3650);
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        let (certificate, _) = CertificateAuthority::generate(Timestamp::now()).unwrap();
        let error = CertificateAuthority::from_pem(&certificate, "not a key").unwrap_err();
        assert!(matches!(error, CertsError::Issue(_)), "{error}");
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        let names = vec!["caf\u{e9}".to_owned()];
        let error = ServingTls::new(authority(), names, Callers::default(), Timestamp::now()).unwrap_err();
        assert!(matches!(error, CertsError::Issue(_)), "{error}");
    }

    #[test]
    fn rotation_gives_a_fresh_configuration() {
        let names = vec!["localhost".to_owned()];
        let tls = ServingTls::new(authority(), names, Callers::default(), Timestamp::now()).unwrap();
        let before = tls.current();
        tls.rotate(Timestamp::now()).unwrap();
        assert!(!Arc::ptr_eq(&before, &tls.current()));
    }
}
