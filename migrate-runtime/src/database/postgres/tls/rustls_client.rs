//! What rustls is told: which authorities, which certificate of our own, and how much of the server's is checked.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Mode, TlsOptions};
use crate::database::postgres::passfile::{check_private, unreadable};
use crate::error::{Error, ErrorKind};

/// The word for the operating system's authorities.
const SYSTEM: &str = "system";

/// Where libpq looks for authorities when none are named, below the home directory.
const DEFAULT_ROOTS: &str = ".postgresql/root.crt";

pub(super) fn connector(options: &TlsOptions) -> Result<MakeRustlsConnect, Error> {
    // Named explicitly: an application may have none, or two, providers compiled in.
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Verifier::new(options, Arc::clone(&provider))?);
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(format!("TLS cannot be set up: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match (&options.certificate, &options.key) {
        (Some(certificate), Some(key)) => {
            check_private(key, "key")?;
            let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, "key", &error))?;
            let chain = certificates(certificate)?;
            config.with_client_auth_cert(chain, key_der).map_err(|error| {
                wrong(format!("{} and {} do not fit: {error}", certificate.display(), key.display()))
                    .with_help("`sslkey` is the private key of the certificate `sslcert`")
            })?
        }
        (None, None) => config.with_no_client_auth(),
        _ => return Err(wrong("`sslcert` and `sslkey` belong together").with_help("give both, or neither")),
    };
    // Only asked for with `sslnegotiation=direct`; servers ignore it otherwise.
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(MakeRustlsConnect::new(config))
}

/// What to do about a handshake that failed.
pub(super) fn help(error: &tokio_postgres::Error) -> Option<String> {
    let mut source = std::error::Error::source(error);
    let tls = loop {
        let cause = source?;
        let inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<TlsError>()) {
            break tls;
        }
        source = cause.source();
    };
    let help = match tls {
        TlsError::InvalidCertificate(reason) => match reason {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "the server's certificate comes from an authority that is not trusted here: name the file of the right one with `sslrootcert`"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the server's certificate is for another host: connect by a name that is in it as a subject alternative name, or check less with `sslmode=verify-ca`"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the server's certificate has expired: renew it on the server, and check this machine's clock"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet: check the clocks of both machines"
            }
            _ => {
                "the server's certificate cannot be used: have one issued for it by an authority (version 3, not an authority's own)"
            }
        },
        TlsError::AlertReceived(_) => {
            "the server ended the handshake; it may ask for a certificate of ours: `sslcert` and `sslkey`"
        }
        _ => return None,
    };
    Some(help.to_owned())
}

/// Checks as much of the server's certificate as the mode says.
#[derive(Debug)]
struct Verifier {
    /// The authorities; `None` takes any certificate.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    check_name: bool,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(options: &TlsOptions, provider: Arc<CryptoProvider>) -> Result<Self, Error> {
        // As libpq: naming authorities and only requiring encryption means that they are to be checked.
        let check =
            options.mode >= Mode::VerifyCa || (options.mode == Mode::Require && options.root_certificates.is_some());
        let authorities = if check {
            let roots = Arc::new(roots(options)?);
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
            Some(verifier.map_err(|error| wrong(format!("the authorities cannot be used: {error}")))?)
        } else {
            None
        };
        Ok(Self { authorities, check_name: options.mode == Mode::VerifyFull, provider })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let Some(authorities) = &self.authorities else {
            return Ok(ServerCertVerified::assertion());
        };
        match authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is compared last, when everything else was found right.
            Err(TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.check_name => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn roots(options: &TlsOptions) -> Result<RootCertStore, Error> {
    let default = options.home.as_ref().map(|home| home.join(DEFAULT_ROOTS)).filter(|path| path.exists());
    let mut roots = RootCertStore::empty();
    match options.root_certificates.clone().or(default) {
        Some(path) if path.as_os_str() != SYSTEM => {
            for certificate in certificates(&path)? {
                roots.add(certificate).map_err(|error| unusable(&path, "file of authorities", &error))?;
            }
        }
        _ => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(wrong("the system has no certificates of authorities")
                    .with_help("name a file of them with `sslrootcert`"));
            }
        }
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let what = "file of certificates";
    let text = fs::read(path).map_err(|error| unreadable(path, what, &error))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|error| unusable(path, what, &error))?;
    if certificates.is_empty() {
        return Err(unusable(path, what, &"it holds no certificate in the PEM format"));
    }
    Ok(certificates)
}

fn unusable(path: &Path, what: &str, reason: &dyn std::fmt::Display) -> Error {
    wrong(format!("the {what} {} cannot be used: {reason}", path.display())).with_help("name a file in the PEM format")
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}
