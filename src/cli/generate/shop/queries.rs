//! The statements that the services of the [`table`](super::table) send to their databases.

/// A statement.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) operation: &'static str,
    pub(super) collection: &'static str,
    pub(super) text: &'static str,
    /// How long it takes; the median.
    pub(super) micros: f64,
}

const fn query(operation: &'static str, collection: &'static str, micros: f64, text: &'static str) -> Query {
    Query { operation, collection, text, micros }
}

pub(super) static SELECT_PRODUCT: Query =
    query("SELECT", "products", 900.0, "SELECT id, name, brand, body, images FROM products WHERE id = $1");
pub(super) static SELECT_PRODUCTS: Query = query(
    "SELECT",
    "products",
    3_800.0,
    "SELECT id, name FROM products WHERE category = $1 AND visible ORDER BY rank LIMIT 48",
);
pub(super) static SELECT_PRICE: Query = query(
    "SELECT",
    "prices",
    700.0,
    "SELECT amount, currency FROM prices WHERE product_id = $1 AND valid_from <= now()",
);
pub(super) static FIND_PROMOTIONS: Query =
    query("find", "promotions", 1_600.0, "{\"find\":\"promotions\",\"filter\":{\"active\":true,\"skus\":\"?\"}}");
pub(super) static FIND_EXPERIMENT: Query =
    query("find", "experiments", 1_100.0, "{\"find\":\"experiments\",\"filter\":{\"audience\":\"?\"}}");
pub(super) static FIND_TEMPLATE: Query =
    query("find", "templates", 1_200.0, "{\"find\":\"templates\",\"filter\":{\"_id\":\"?\",\"locale\":\"?\"}}");
pub(super) static SELECT_STOCK: Query =
    query("SELECT", "stock", 800.0, "SELECT depot, quantity FROM stock WHERE sku = ? AND quantity > ?");
pub(super) static UPDATE_STOCK: Query = query(
    "UPDATE",
    "stock",
    2_400.0,
    "UPDATE stock SET reserved = reserved + ? WHERE sku = ? AND quantity - reserved >= ?",
);
pub(super) static INSERT_CART_EVENT: Query =
    query("INSERT", "cart_events", 1_500.0, "INSERT INTO cart_events (cart_id, kind, body) VALUES ($1, $2, $3)");
pub(super) static SELECT_ACCOUNT: Query =
    query("SELECT", "accounts", 850.0, "SELECT id, email_hash, locale, tier FROM accounts WHERE id = $1");
pub(super) static SEARCH_INDEX: Query = query(
    "search",
    "products-v12",
    11_000.0,
    "{\"query\":{\"multi_match\":{\"query\":\"?\",\"fields\":[\"name\",\"brand\",\"body\"]}}}",
);
pub(super) static SUGGEST: Query =
    query("search", "suggestions-v3", 4_000.0, "{\"suggest\":{\"text\":\"?\",\"term\":{\"field\":\"name\"}}}");
pub(super) static UPDATE_INDEX: Query =
    query("update", "products-v12", 6_000.0, "{\"doc\":{\"stock\":\"?\"},\"doc_as_upsert\":true}");
pub(super) static INSERT_PAYMENT: Query = query(
    "INSERT",
    "payments",
    2_900.0,
    "INSERT INTO payments (order_id, amount, currency, state) VALUES (?, ?, ?, ?)",
);
pub(super) static SELECT_HISTORY: Query = query(
    "SELECT",
    "assessments",
    5_200.0,
    "SELECT score, taken_at FROM assessments WHERE device_id = $1 ORDER BY taken_at DESC LIMIT 50",
);
pub(super) static INSERT_SHIPMENT: Query =
    query("INSERT", "shipments", 1_900.0, "INSERT INTO shipments (order_id, carrier, label) VALUES ($1, $2, $3)");
pub(super) static INSERT_ORDER: Query = query(
    "INSERT",
    "orders",
    2_600.0,
    "INSERT INTO orders (id, account_id, total, currency, state) VALUES ($1, $2, $3, $4, $5)",
);
pub(super) static INSERT_ORDER_LINES: Query = query(
    "INSERT",
    "order_lines",
    3_100.0,
    "INSERT INTO order_lines (order_id, sku, quantity, price) SELECT * FROM unnest($1, $2, $3, $4)",
);
pub(super) static SELECT_ORDERS: Query = query(
    "SELECT",
    "orders",
    2_200.0,
    "SELECT id, total, state FROM orders WHERE account_id = $1 ORDER BY placed_at DESC LIMIT 20",
);
pub(super) static INSERT_PICK: Query =
    query("INSERT", "picks", 2_000.0, "INSERT INTO picks (order_id, sku, shelf, due_at) VALUES ($1, $2, $3, $4)");
