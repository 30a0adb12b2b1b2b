//! From a host name to addresses that may be connected to.
//!
//! A plugin's origin is a name, and what a name means is decided by whoever runs its DNS. So the answer is judged, address by address,
//! by [`k8supdater_core::address::check`], and the connection is made to exactly the addresses that were judged: there is no second
//! look-up in which the name could have moved (DNS rebinding). Start reading at [`CheckedResolver`].

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use k8supdater_core::address;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;

type Lookup = dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync;

/// Looks names up.
#[derive(Clone)]
pub struct Resolver(Arc<Lookup>);

impl Resolver {
    /// As the system does: hosts file, search domains and name servers of the pod.
    pub fn system() -> Self {
        Self::from_fn(|name| {
            async move {
                // The port is a placeholder: the caller puts the URL's in.
                let found = tokio::net::lookup_host((name, 0)).await?;
                Ok(found.map(|address| address.ip()).collect())
            }
            .boxed()
        })
    }

    /// As `lookup` says. An empty list means that the name has no address.
    pub fn from_fn(
        lookup: impl Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(lookup))
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

/// Which addresses connections may go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Public ones.
    Public,
    /// Private and loopback ones too, because an administrator named the origin.
    Named,
    /// Any: the name is that of the proxy, which an administrator configured and which all connections go to.
    Proxy,
}

/// Why a name gives no address to connect to.
#[derive(Debug, Error)]
pub(crate) enum ResolveError {
    #[error("{host} is at {ip}, which may not be called: {refusal}")]
    Denied { host: String, ip: IpAddr, refusal: address::Refusal },
    #[error("{host} has no address; check the host name")]
    NoAddress { host: String },
    #[error("{host} cannot be resolved: {cause}")]
    Lookup { host: String, cause: io::Error },
}

/// Looks names up and judges what comes back; what reqwest connects with.
pub(crate) struct CheckedResolver {
    pub(crate) resolver: Resolver,
    pub(crate) reach: Reach,
}

impl CheckedResolver {
    /// The addresses of `host`, at least one, all of them judged. An address in place of a name is judged like any other.
    pub(crate) fn addresses(&self, host: String) -> BoxFuture<'static, Result<Vec<IpAddr>, ResolveError>> {
        let looking_up = match host.parse() {
            Ok(ip) => ready(Ok(vec![ip])).boxed(),
            Err(_) => (self.resolver.0)(host.clone()),
        };
        let reach = self.reach;
        async move {
            let found = looking_up.await.map_err(|cause| ResolveError::Lookup { host: host.clone(), cause })?;
            judge(&host, found, reach)
        }
        .boxed()
    }
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let looking_up = self.addresses(name.as_str().to_owned());
        async move {
            // Port 0 stands for the URL's port.
            let addresses: Addrs = Box::new(looking_up.await?.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        }
        .boxed()
    }
}

/// `found`, if every single address may be connected to.
///
/// One bad address spoils the name: a good one beside it proves nothing but that somebody tries their luck.
fn judge(host: &str, found: Vec<IpAddr>, reach: Reach) -> Result<Vec<IpAddr>, ResolveError> {
    if found.is_empty() {
        return Err(ResolveError::NoAddress { host: host.to_owned() });
    }
    for &ip in &found {
        check(host, ip, reach)?;
    }
    Ok(found)
}

/// Whether `ip`, which `host` is or resolves to, may be connected to.
pub(crate) fn check(host: &str, ip: IpAddr, reach: Reach) -> Result<(), ResolveError> {
    let named = match reach {
        Reach::Proxy => return Ok(()),
        Reach::Named => true,
        Reach::Public => false,
    };
    address::check(ip, named).map_err(|refusal| ResolveError::Denied { host: host.to_owned(), ip, refusal })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_a_name_must_pass() {
        let check = |found: &[&str], reach: Reach, passes: bool| {
            let found = found.iter().map(|ip| ip.parse().unwrap()).collect();
            assert_eq!(judge("example.com", found, reach).is_ok(), passes, "{reach:?}");
        };
        check(&["93.184.215.14"], Reach::Public, true);
        check(&["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"], Reach::Public, true);
        check(&[], Reach::Public, false);
        check(&["127.0.0.1"], Reach::Public, false);
        check(&["93.184.215.14", "127.0.0.1"], Reach::Public, false);
        check(&["93.184.215.14", "169.254.169.254"], Reach::Named, false);
        check(&["10.0.0.7", "::1"], Reach::Named, true);
        check(&["169.254.169.254"], Reach::Named, false);
        check(&["10.0.0.7"], Reach::Proxy, true);
    }
}
