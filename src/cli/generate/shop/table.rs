//! The shop on paper: what its [`services`](super::services) do, and what each of these things calls in turn.
//!
//! Only data; `walk.rs` turns it into spans. Calls never come back to where they started from, so every walk ends.

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

use super::queries::{
    FIND_EXPERIMENT, FIND_PROMOTIONS, FIND_TEMPLATE, INSERT_CART_EVENT, INSERT_ORDER, INSERT_ORDER_LINES,
    INSERT_PAYMENT, INSERT_PICK, INSERT_SHIPMENT, Query, SEARCH_INDEX, SELECT_ACCOUNT, SELECT_HISTORY, SELECT_ORDERS,
    SELECT_PRICE, SELECT_PRODUCT, SELECT_PRODUCTS, SELECT_STOCK, SUGGEST, UPDATE_INDEX, UPDATE_STOCK,
};
use super::services::ServiceId;
use super::services::ServiceId::{
    Accounts, Carts, Catalog, Checkout, Fraud, Gateway, Inventory, Notifications, Orders, Payments, Pricing,
    Promotions, Recommendations, Search, Shipping, Storefront, Warehouse,
};

/// How traces begin, each with how often, in a thousand.
pub(super) static ROOTS: [(u32, &Operation); 10] = [
    (200, &HOME_PAGE),
    (230, &PRODUCT_PAGE),
    (140, &SEARCH_PAGE),
    (100, &ADD_TO_CART),
    (120, &CHECKOUT_PAGE),
    (50, &ORDERS_PAGE),
    (40, &SIGN_IN),
    (40, &API_PRODUCT),
    (50, &ORDER_INTAKE),
    (30, &FULFIL_BATCH),
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

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
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
    fn roots_add_up_and_calls_end() {
        assert_eq!(ROOTS.iter().map(|(often, _)| often).sum::<u32>(), 1_000);
        let deepest = ROOTS.iter().map(|(_, root)| depth(root)).max().unwrap();
        assert!((5..=8).contains(&deepest), "{deepest}");
    }
}
