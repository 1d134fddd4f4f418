//! The shop on paper: its services, what they do, and what each of these things calls in turn.
//!
//! Only data; `walk.rs` turns it into spans. Calls never come back to where they started from, so every walk ends.

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

/// How an operation is reached.
#[derive(Debug)]
pub(super) enum Entry {
    Http { method: &'static str, route: &'static str },
    Rpc { service: &'static str, method: &'static str },
    Message { destination: &'static str, group: &'static str },
}

/// What a service does when it is asked.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) service: ServiceId,
    pub(super) entry: Entry,
    /// How many spans it usually makes, those of all that it calls included.
    pub(super) spans_usual: u32,
    /// Its own time, without what it waits for; the median.
    pub(super) work_micros: f64,
    /// Whether its steps are taken at the same time.
    pub(super) parallel: bool,
    /// What it does inside when it calls nobody.
    pub(super) inside: &'static str,
    /// Its steps in order, each with how often it is taken, in a thousand.
    pub(super) steps: &'static [(u32, Step)],
}

/// One step of an operation.
#[derive(Debug)]
pub(super) enum Step {
    /// Another service, by HTTP or gRPC: a CLIENT span here and a SERVER span there.
    Call(&'static Operation),
    /// The service's database: a CLIENT span.
    Query(&'static Query),
    /// The cache: a CLIENT span.
    Cache { command: &'static str, key: &'static str },
    /// Somebody else's HTTP service, which sends us no spans: a CLIENT span.
    Outside { method: &'static str, host: &'static str, path: &'static str },
    /// A message to this operation: a PRODUCER span here and a CONSUMER span there.
    Publish(&'static Operation),
    /// Something inside: an INTERNAL span.
    Inside(&'static str),
}

/// A statement.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) operation: &'static str,
    pub(super) collection: &'static str,
    pub(super) text: &'static str,
    /// How long it takes; the median.
    pub(super) micros: f64,
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
use ServiceId::{
    Accounts, Carts, Catalog, Checkout, Fraud, Gateway, Inventory, Notifications, Orders, Payments, Pricing,
    Promotions, Recommendations, Search, Shipping, Storefront, Warehouse,
};

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

/// How traces begin, each with how often, in a thousand.
pub(super) static ROOTS: [(u32, &Operation); 10] = [
    (240, &HOME_PAGE),
    (270, &PRODUCT_PAGE),
    (160, &SEARCH_PAGE),
    (100, &ADD_TO_CART),
    (60, &CHECKOUT_PAGE),
    (50, &ORDERS_PAGE),
    (40, &SIGN_IN),
    (30, &API_PRODUCT),
    (30, &ORDER_INTAKE),
    (20, &FULFIL_BATCH),
];

/// An order from a partner. Its first step is the message about it, which [`FULFIL_BATCH`] links to.
pub(super) static ORDER_INTAKE: Operation = Operation {
    service: Orders,
    entry: Entry::Http { method: "POST", route: "/partners/{partner_id}/orders" },
    spans_usual: 21,
    work_micros: 3_000.0,
    parallel: false,
    inside: "validateOrder",
    steps: &[
        (1_000, Step::Publish(&FULFIL)),
        (1_000, Step::Query(&INSERT_ORDER)),
        (900, Step::Call(&GET_ACCOUNT)),
        (700, Step::Call(&RESERVE)),
        (600, Step::Call(&CHARGE)),
    ],
};

/// The warehouse takes several orders at once, each from a trace of its own.
pub(super) static FULFIL_BATCH: Operation = Operation {
    service: Warehouse,
    entry: Entry::Message { destination: "orders", group: "warehouse-batch" },
    spans_usual: 6,
    work_micros: 9_000.0,
    parallel: false,
    inside: "PlanRoute",
    steps: &[
        (1_000, Step::Query(&INSERT_PICK)),
        (700, Step::Inside("PlanRoute")),
        (500, Step::Call(&AVAILABILITY)),
        (400, Step::Publish(&NOTIFY)),
    ],
};

static HOME_PAGE: Operation = Operation {
    service: Storefront,
    entry: Entry::Http { method: "GET", route: "/" },
    spans_usual: 27,
    work_micros: 4_000.0,
    parallel: true,
    inside: "renderPage",
    steps: &[
        (1_000, Step::Call(&RECOMMEND)),
        (600, Step::Call(&LIST_PRODUCTS)),
        (500, Step::Call(&GET_CART)),
        (400, Step::Call(&GET_ACCOUNT)),
        (300, Step::Inside("renderPage")),
    ],
};

static PRODUCT_PAGE: Operation = Operation {
    service: Storefront,
    entry: Entry::Http { method: "GET", route: "/products/{product_id}" },
    spans_usual: 28,
    work_micros: 3_500.0,
    parallel: true,
    inside: "renderPage",
    steps: &[
        (1_000, Step::Call(&GET_PRODUCT)),
        (700, Step::Call(&RECOMMEND)),
        (500, Step::Call(&GET_CART)),
        (300, Step::Call(&SHIPPING_RATES)),
        (300, Step::Inside("renderPage")),
    ],
};

static SEARCH_PAGE: Operation = Operation {
    service: Storefront,
    entry: Entry::Http { method: "GET", route: "/search" },
    spans_usual: 21,
    work_micros: 3_000.0,
    parallel: false,
    inside: "renderPage",
    steps: &[
        (1_000, Step::Call(&SEARCH)),
        (500, Step::Call(&GET_CART)),
        (200, Step::Query(&FIND_EXPERIMENT)),
        (300, Step::Inside("renderPage")),
    ],
};

static ADD_TO_CART: Operation = Operation {
    service: Gateway,
    entry: Entry::Http { method: "POST", route: "/api/v1/cart/items" },
    spans_usual: 11,
    work_micros: 900.0,
    parallel: false,
    inside: "authorize",
    steps: &[(600, Step::Cache { command: "GET", key: "session" }), (1_000, Step::Call(&ADD_ITEM))],
};

static CHECKOUT_PAGE: Operation = Operation {
    service: Storefront,
    entry: Entry::Http { method: "POST", route: "/checkout" },
    spans_usual: 56,
    work_micros: 5_000.0,
    parallel: false,
    inside: "renderPage",
    steps: &[(1_000, Step::Call(&PLACE_ORDER)), (500, Step::Inside("renderPage"))],
};

static ORDERS_PAGE: Operation = Operation {
    service: Gateway,
    entry: Entry::Http { method: "GET", route: "/api/v1/orders" },
    spans_usual: 7,
    work_micros: 1_000.0,
    parallel: false,
    inside: "authorize",
    steps: &[(600, Step::Cache { command: "GET", key: "session" }), (1_000, Step::Call(&LIST_ORDERS))],
};

static SIGN_IN: Operation = Operation {
    service: Gateway,
    entry: Entry::Http { method: "POST", route: "/api/v1/sessions" },
    spans_usual: 6,
    work_micros: 900.0,
    parallel: false,
    inside: "authorize",
    steps: &[(1_000, Step::Call(&OPEN_SESSION))],
};

static API_PRODUCT: Operation = Operation {
    service: Gateway,
    entry: Entry::Http { method: "GET", route: "/api/v1/products/{product_id}" },
    spans_usual: 13,
    work_micros: 700.0,
    parallel: false,
    inside: "authorize",
    steps: &[(600, Step::Cache { command: "GET", key: "session" }), (1_000, Step::Call(&GET_PRODUCT))],
};

static PLACE_ORDER: Operation = Operation {
    service: Checkout,
    entry: Entry::Rpc { service: "shop.checkout.v2.Checkout", method: "PlaceOrder" },
    spans_usual: 53,
    work_micros: 6_000.0,
    parallel: false,
    inside: "CheckoutSaga.validate",
    steps: &[
        (1_000, Step::Call(&GET_CART)),
        (1_000, Step::Call(&GET_ACCOUNT)),
        (900, Step::Call(&QUOTE)),
        (900, Step::Call(&RESERVE)),
        (900, Step::Call(&SHIPPING_RATES)),
        (1_000, Step::Call(&CHARGE)),
        (900, Step::Call(&BOOK_SHIPMENT)),
        (1_000, Step::Call(&CREATE_ORDER)),
        (800, Step::Inside("CheckoutSaga.commit")),
    ],
};

static GET_CART: Operation = Operation {
    service: Carts,
    entry: Entry::Rpc { service: "shop.carts.v1.Carts", method: "GetCart" },
    spans_usual: 8,
    work_micros: 800.0,
    parallel: false,
    inside: "CartMapper.Map",
    steps: &[
        (1_000, Step::Cache { command: "HGETALL", key: "cart" }),
        (500, Step::Call(&GET_PRODUCT)),
        (500, Step::Inside("CartMapper.Map")),
    ],
};

static ADD_ITEM: Operation = Operation {
    service: Carts,
    entry: Entry::Rpc { service: "shop.carts.v1.Carts", method: "AddItem" },
    spans_usual: 8,
    work_micros: 1_100.0,
    parallel: false,
    inside: "CartMapper.Map",
    steps: &[
        (900, Step::Call(&AVAILABILITY)),
        (1_000, Step::Cache { command: "HSET", key: "cart" }),
        (400, Step::Query(&INSERT_CART_EVENT)),
        (400, Step::Call(&QUOTE)),
    ],
};

static RECOMMEND: Operation = Operation {
    service: Recommendations,
    entry: Entry::Rpc { service: "shop.recommendations.v1.Recommendations", method: "ListForUser" },
    spans_usual: 13,
    work_micros: 2_500.0,
    parallel: true,
    inside: "score_candidates",
    steps: &[
        (900, Step::Cache { command: "ZREVRANGE", key: "affinity" }),
        (400, Step::Inside("score_candidates")),
        (1_000, Step::Call(&GET_PRODUCT)),
    ],
};

static SEARCH: Operation = Operation {
    service: Search,
    entry: Entry::Http { method: "GET", route: "/v3/search" },
    spans_usual: 14,
    work_micros: 4_500.0,
    parallel: false,
    inside: "Ranking.rescore",
    steps: &[
        (1_000, Step::Query(&SEARCH_INDEX)),
        (600, Step::Inside("Ranking.rescore")),
        (1_000, Step::Call(&GET_PRODUCT)),
        (150, Step::Query(&SUGGEST)),
    ],
};

static GET_PRODUCT: Operation = Operation {
    service: Catalog,
    entry: Entry::Rpc { service: "shop.catalog.v2.Catalog", method: "GetProduct" },
    spans_usual: 10,
    work_micros: 500.0,
    parallel: true,
    inside: "catalog.decodeProduct",
    steps: &[
        (900, Step::Cache { command: "GET", key: "product" }),
        (300, Step::Query(&SELECT_PRODUCT)),
        (900, Step::Call(&QUOTE)),
        (800, Step::Call(&AVAILABILITY)),
        (500, Step::Inside("catalog.decodeProduct")),
    ],
};

static LIST_PRODUCTS: Operation = Operation {
    service: Catalog,
    entry: Entry::Rpc { service: "shop.catalog.v2.Catalog", method: "ListProducts" },
    spans_usual: 8,
    work_micros: 1_800.0,
    parallel: false,
    inside: "catalog.decodeProduct",
    steps: &[(1_000, Step::Query(&SELECT_PRODUCTS)), (800, Step::Call(&QUOTE)), (500, Step::Call(&AVAILABILITY))],
};

static QUOTE: Operation = Operation {
    service: Pricing,
    entry: Entry::Rpc { service: "shop.pricing.v1.Pricing", method: "Quote" },
    spans_usual: 4,
    work_micros: 250.0,
    parallel: false,
    inside: "pricing::round",
    steps: &[
        (900, Step::Cache { command: "GET", key: "price" }),
        (300, Step::Query(&SELECT_PRICE)),
        (300, Step::Call(&MATCH_PROMOTIONS)),
        (500, Step::Inside("pricing::round")),
    ],
};

static MATCH_PROMOTIONS: Operation = Operation {
    service: Promotions,
    entry: Entry::Http { method: "GET", route: "/promotions/match" },
    spans_usual: 3,
    work_micros: 1_500.0,
    parallel: false,
    inside: "evaluate_rules",
    steps: &[(1_000, Step::Query(&FIND_PROMOTIONS)), (600, Step::Inside("evaluate_rules"))],
};

static AVAILABILITY: Operation = Operation {
    service: Inventory,
    entry: Entry::Rpc { service: "shop.inventory.v1.Inventory", method: "Availability" },
    spans_usual: 3,
    work_micros: 350.0,
    parallel: false,
    inside: "inventory.sum",
    steps: &[
        (800, Step::Cache { command: "MGET", key: "stock" }),
        (400, Step::Query(&SELECT_STOCK)),
        (400, Step::Inside("inventory.sum")),
    ],
};

static RESERVE: Operation = Operation {
    service: Inventory,
    entry: Entry::Rpc { service: "shop.inventory.v1.Inventory", method: "Reserve" },
    spans_usual: 4,
    work_micros: 900.0,
    parallel: false,
    inside: "inventory.allocate",
    steps: &[(1_000, Step::Query(&UPDATE_STOCK)), (400, Step::Query(&SELECT_STOCK)), (600, Step::Publish(&REINDEX))],
};

static REINDEX: Operation = Operation {
    service: Search,
    entry: Entry::Message { destination: "stock-changes", group: "search-indexer" },
    spans_usual: 2,
    work_micros: 1_200.0,
    parallel: false,
    inside: "Indexer.toDocument",
    steps: &[(900, Step::Query(&UPDATE_INDEX))],
};

static GET_ACCOUNT: Operation = Operation {
    service: Accounts,
    entry: Entry::Rpc { service: "shop.accounts.v1.Accounts", method: "GetAccount" },
    spans_usual: 3,
    work_micros: 400.0,
    parallel: false,
    inside: "accounts.redact",
    steps: &[
        (900, Step::Cache { command: "GET", key: "account" }),
        (400, Step::Query(&SELECT_ACCOUNT)),
        (400, Step::Inside("accounts.redact")),
    ],
};

static OPEN_SESSION: Operation = Operation {
    service: Accounts,
    entry: Entry::Http { method: "POST", route: "/v1/sessions" },
    spans_usual: 4,
    work_micros: 1_500.0,
    parallel: false,
    inside: "accounts.verifyPassword",
    steps: &[
        (1_000, Step::Query(&SELECT_ACCOUNT)),
        (1_000, Step::Inside("accounts.verifyPassword")),
        (900, Step::Cache { command: "SETEX", key: "session" }),
    ],
};

static CHARGE: Operation = Operation {
    service: Payments,
    entry: Entry::Rpc { service: "shop.payments.v1.Payments", method: "Charge" },
    spans_usual: 8,
    work_micros: 2_200.0,
    parallel: false,
    inside: "tokenizeCard",
    steps: &[
        (1_000, Step::Call(&ASSESS)),
        (1_000, Step::Query(&INSERT_PAYMENT)),
        (900, Step::Outside { method: "POST", host: "api.bank.example", path: "/v2/charges" }),
        (300, Step::Inside("tokenizeCard")),
    ],
};

static ASSESS: Operation = Operation {
    service: Fraud,
    entry: Entry::Http { method: "POST", route: "/assessments" },
    spans_usual: 4,
    work_micros: 3_500.0,
    parallel: false,
    inside: "score_features",
    steps: &[
        (900, Step::Query(&SELECT_HISTORY)),
        (1_000, Step::Inside("score_features")),
        (600, Step::Cache { command: "GET", key: "device" }),
    ],
};

static SHIPPING_RATES: Operation = Operation {
    service: Shipping,
    entry: Entry::Http { method: "GET", route: "/rates" },
    spans_usual: 2,
    work_micros: 600.0,
    parallel: false,
    inside: "shipping::zones",
    steps: &[
        (800, Step::Cache { command: "GET", key: "rates" }),
        (500, Step::Outside { method: "GET", host: "rates.carrier.example", path: "/v1/rates" }),
    ],
};

static BOOK_SHIPMENT: Operation = Operation {
    service: Shipping,
    entry: Entry::Rpc { service: "shop.shipping.v1.Shipping", method: "Book" },
    spans_usual: 3,
    work_micros: 900.0,
    parallel: false,
    inside: "shipping::label",
    steps: &[
        (1_000, Step::Query(&INSERT_SHIPMENT)),
        (900, Step::Outside { method: "POST", host: "book.carrier.example", path: "/v1/shipments" }),
    ],
};

static CREATE_ORDER: Operation = Operation {
    service: Orders,
    entry: Entry::Rpc { service: "shop.orders.v1.Orders", method: "Create" },
    spans_usual: 13,
    work_micros: 1_900.0,
    parallel: false,
    inside: "OrderFactory.create",
    steps: &[
        (1_000, Step::Query(&INSERT_ORDER)),
        (1_000, Step::Query(&INSERT_ORDER_LINES)),
        (1_000, Step::Publish(&FULFIL)),
        (900, Step::Publish(&NOTIFY)),
        (500, Step::Inside("OrderFactory.create")),
    ],
};

static LIST_ORDERS: Operation = Operation {
    service: Orders,
    entry: Entry::Rpc { service: "shop.orders.v1.Orders", method: "List" },
    spans_usual: 4,
    work_micros: 1_400.0,
    parallel: false,
    inside: "OrderMapper.toMessage",
    steps: &[(1_000, Step::Query(&SELECT_ORDERS)), (500, Step::Call(&GET_ACCOUNT))],
};

static FULFIL: Operation = Operation {
    service: Warehouse,
    entry: Entry::Message { destination: "orders", group: "warehouse" },
    spans_usual: 5,
    work_micros: 5_000.0,
    parallel: false,
    inside: "PlanRoute",
    steps: &[(1_000, Step::Query(&INSERT_PICK)), (500, Step::Inside("PlanRoute")), (700, Step::Call(&AVAILABILITY))],
};

static NOTIFY: Operation = Operation {
    service: Notifications,
    entry: Entry::Message { destination: "notifications", group: "mailer" },
    spans_usual: 3,
    work_micros: 2_500.0,
    parallel: false,
    inside: "renderTemplate",
    steps: &[
        (800, Step::Query(&FIND_TEMPLATE)),
        (600, Step::Inside("renderTemplate")),
        (1_000, Step::Outside { method: "POST", host: "smtp.mail.example", path: "/v1/messages" }),
    ],
};

const fn query(operation: &'static str, collection: &'static str, micros: f64, text: &'static str) -> Query {
    Query { operation, collection, text, micros }
}

static SELECT_PRODUCT: Query =
    query("SELECT", "products", 900.0, "SELECT id, name, brand, body, images FROM products WHERE id = $1");
static SELECT_PRODUCTS: Query = query(
    "SELECT",
    "products",
    3_800.0,
    "SELECT id, name FROM products WHERE category = $1 AND visible ORDER BY rank LIMIT 48",
);
static SELECT_PRICE: Query = query(
    "SELECT",
    "prices",
    700.0,
    "SELECT amount, currency FROM prices WHERE product_id = $1 AND valid_from <= now()",
);
static FIND_PROMOTIONS: Query =
    query("find", "promotions", 1_600.0, "{\"find\":\"promotions\",\"filter\":{\"active\":true,\"skus\":\"?\"}}");
static FIND_EXPERIMENT: Query =
    query("find", "experiments", 1_100.0, "{\"find\":\"experiments\",\"filter\":{\"audience\":\"?\"}}");
static FIND_TEMPLATE: Query =
    query("find", "templates", 1_200.0, "{\"find\":\"templates\",\"filter\":{\"_id\":\"?\",\"locale\":\"?\"}}");
static SELECT_STOCK: Query =
    query("SELECT", "stock", 800.0, "SELECT depot, quantity FROM stock WHERE sku = ? AND quantity > ?");
static UPDATE_STOCK: Query = query(
    "UPDATE",
    "stock",
    2_400.0,
    "UPDATE stock SET reserved = reserved + ? WHERE sku = ? AND quantity - reserved >= ?",
);
static INSERT_CART_EVENT: Query =
    query("INSERT", "cart_events", 1_500.0, "INSERT INTO cart_events (cart_id, kind, body) VALUES ($1, $2, $3)");
static SELECT_ACCOUNT: Query =
    query("SELECT", "accounts", 850.0, "SELECT id, email_hash, locale, tier FROM accounts WHERE id = $1");
static SEARCH_INDEX: Query = query(
    "search",
    "products-v12",
    11_000.0,
    "{\"query\":{\"multi_match\":{\"query\":\"?\",\"fields\":[\"name\",\"brand\",\"body\"]}}}",
);
static SUGGEST: Query =
    query("search", "suggestions-v3", 4_000.0, "{\"suggest\":{\"text\":\"?\",\"term\":{\"field\":\"name\"}}}");
static UPDATE_INDEX: Query =
    query("update", "products-v12", 6_000.0, "{\"doc\":{\"stock\":\"?\"},\"doc_as_upsert\":true}");
static INSERT_PAYMENT: Query = query(
    "INSERT",
    "payments",
    2_900.0,
    "INSERT INTO payments (order_id, amount, currency, state) VALUES (?, ?, ?, ?)",
);
static SELECT_HISTORY: Query = query(
    "SELECT",
    "assessments",
    5_200.0,
    "SELECT score, taken_at FROM assessments WHERE device_id = $1 ORDER BY taken_at DESC LIMIT 50",
);
static INSERT_SHIPMENT: Query =
    query("INSERT", "shipments", 1_900.0, "INSERT INTO shipments (order_id, carrier, label) VALUES ($1, $2, $3)");
static INSERT_ORDER: Query = query(
    "INSERT",
    "orders",
    2_600.0,
    "INSERT INTO orders (id, account_id, total, currency, state) VALUES ($1, $2, $3, $4, $5)",
);
static INSERT_ORDER_LINES: Query = query(
    "INSERT",
    "order_lines",
    3_100.0,
    "INSERT INTO order_lines (order_id, sku, quantity, price) SELECT * FROM unnest($1, $2, $3, $4)",
);
static SELECT_ORDERS: Query = query(
    "SELECT",
    "orders",
    2_200.0,
    "SELECT id, total, state FROM orders WHERE account_id = $1 ORDER BY placed_at DESC LIMIT 20",
);
static INSERT_PICK: Query =
    query("INSERT", "picks", 2_000.0, "INSERT INTO picks (order_id, sku, shelf, due_at) VALUES ($1, $2, $3, $4)");

#[cfg(test)]
mod tests {
    use super::*;

    fn usual(step: &Step) -> f64 {
        match step {
            Step::Call(callee) | Step::Publish(callee) => 1.0 + f64::from(callee.spans_usual),
            _ => 1.0,
        }
    }

    fn depth(operation: &Operation) -> usize {
        let inner = operation.steps.iter().map(|(_, step)| match step {
            Step::Call(callee) | Step::Publish(callee) => depth(callee),
            _ => 0,
        });
        // What an operation says that it usually makes is what its steps come to.
        let sum: f64 = operation.steps.iter().map(|(often, step)| f64::from(*often) / 1_000.0 * usual(step)).sum();
        let ratio = (sum + 1.0) / f64::from(operation.spans_usual);
        assert!((0.8..1.25).contains(&ratio), "{:?} usually makes {}", operation.entry, sum + 1.0);
        inner.max().unwrap_or(0) + 1
    }

    #[test]
    fn services_stand_in_their_order() {
        assert_eq!(Notifications as usize + 1, SERVICES.len());
        for (id, name) in [(Storefront, "storefront"), (Accounts, "accounts"), (Shipping, "shipping")] {
            assert_eq!(SERVICES[id as usize].name, name);
        }
    }

    #[test]
    fn roots_add_up_and_calls_end() {
        assert_eq!(ROOTS.iter().map(|(often, _)| often).sum::<u32>(), 1_000);
        let deepest = ROOTS.iter().map(|(_, root)| depth(root)).max().unwrap();
        assert!((5..=8).contains(&deepest), "{deepest}");
    }
}
