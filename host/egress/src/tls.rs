//! Whom TLS trusts, for HTTP and mail alike.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::client::BuildError;

/// A configuration that trusts the authorities of the web and those in `extra_authorities`, which is PEM. It says nothing about the
/// protocol inside.
///
/// # Errors
/// [`BuildError::Authorities`] and [`BuildError::Tls`].
pub(crate) fn config(extra_authorities: Option<&[u8]>) -> Result<ClientConfig, BuildError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = extra_authorities {
        let certificates = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|err| BuildError::Authorities(err.to_string()))?;
        if certificates.is_empty() {
            return Err(BuildError::Authorities("there is no certificate in it".to_owned()));
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|err| BuildError::Authorities(err.to_string()))?;
        }
    }
    // Named here, so that it does not depend on which provider some other library installs for the process.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(BuildError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
