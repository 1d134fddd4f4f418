//! The services of the shop: who they are, and how many of each run.

/// What a service is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Go,
    Java,
    NodeJs,
    Python,
    DotNet,
    Rust,
}

/// A service.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) language: Language,
    /// How many of it run.
    pub(super) instances: u32,
    pub(super) version: &'static str,
    /// Its database, as `db.system.name` says it.
    pub(super) database: &'static str,
}

/// A service's place in [`SERVICES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServiceId {
    Storefront,
    Gateway,
    Catalog,
    Search,
    Recommendations,
    Pricing,
    Promotions,
    Inventory,
    Carts,
    Accounts,
    Checkout,
    Orders,
    Payments,
    Fraud,
    Shipping,
    Warehouse,
    Notifications,
}

use Language::{DotNet, Go, Java, NodeJs, Python, Rust};

const fn service(
    name: &'static str,
    language: Language,
    instances: u32,
    version: &'static str,
    database: &'static str,
) -> Service {
    Service { name, language, instances, version, database }
}

/// All services, in the order of [`ServiceId`].
pub(super) static SERVICES: [Service; 17] = [
    service("storefront", NodeJs, 8, "5.12.0", "mongodb"),
    service("gateway", Go, 6, "1.44.2", "postgresql"),
    service("catalog", Go, 8, "2.31.0", "postgresql"),
    service("search", Java, 6, "3.8.1", "elasticsearch"),
    service("recommendations", Python, 4, "0.19.4", "postgresql"),
    service("pricing", Rust, 5, "1.9.0", "postgresql"),
    service("promotions", Python, 3, "2.2.7", "mongodb"),
    service("inventory", Go, 6, "1.17.3", "mysql"),
    service("carts", DotNet, 6, "4.3.0", "postgresql"),
    service("accounts", Go, 4, "2.0.11", "postgresql"),
    service("checkout", Java, 5, "6.1.2", "postgresql"),
    service("orders", Java, 5, "7.4.0", "postgresql"),
    service("payments", NodeJs, 4, "3.3.9", "mysql"),
    service("fraud", Python, 3, "1.1.0", "postgresql"),
    service("shipping", Rust, 3, "0.8.6", "postgresql"),
    service("warehouse", DotNet, 4, "2.15.1", "postgresql"),
    service("notifications", NodeJs, 3, "1.6.5", "mongodb"),
];

#[cfg(test)]
mod tests {
    use super::ServiceId::{Accounts, Notifications, Shipping, Storefront};
    use super::*;

    #[test]
    fn services_stand_in_their_order() {
        assert_eq!(Some(Notifications as usize), SERVICES.len().checked_sub(1));
        for (id, name) in [(Storefront, "storefront"), (Accounts, "accounts"), (Shipping, "shipping")] {
            assert_eq!(SERVICES[id as usize].name, name);
        }
    }
}
