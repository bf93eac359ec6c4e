//! Host capabilities that need more than the system: SQL, HTTP both ways. Those of `jet_vm::host` are beside them here,
//! so that a program's grants become its capabilities in one place.

pub mod database;
mod db_functions;
mod db_guard;
mod db_shadow;
mod http_reply;
mod http_request;
mod http_values;
pub mod listen;
mod listen_io;
mod listen_peer;
mod listen_scope;
mod listen_state;
pub mod net;
mod net_scope;

use std::path::Path;

use jet_vm::host::{Grants, HostCapability};

/// Makes the capabilities of the grants. Relative paths start at `cwd`. A granted database is written by its capability alone.
pub fn capabilities(grants: &Grants, cwd: &Path) -> Result<Vec<Box<dyn HostCapability>>, String> {
    let mut grants = grants.clone();
    let mut database = None;
    if let Some(grant) = &grants.database {
        // Opened first: if it is made now, its identity is denied, not its name alone.
        database = Some(database::Database::open(grant, cwd)?);
        grants.protect(database::files(grant));
    }
    let mut out = grants.capabilities(cwd)?;
    out.extend(database.map(|d| Box::new(d) as Box<dyn HostCapability>));
    if let Some(grant) = &grants.net {
        out.push(Box::new(net::Net::new(grant)?));
    }
    if let Some(grant) = &grants.listen {
        out.push(Box::new(listen::Listen::new(grant)?));
    }
    Ok(out)
}
