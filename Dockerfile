# The container: the binary alone on a small Debian, run by a user who is not root, keeping its SQLite file (when no
# DATABASE_URL is given) in /var/lib/tracewell. See docker-compose.yml for one with PostgreSQL.

FROM rust:1-bookworm AS build
WORKDIR /build

# The dependencies first, with programs that do nothing: they are built again only when they change. (The benches are
# not built, but cargo wants each file that Cargo.toml names.)
COPY Cargo.toml Cargo.lock ./
RUN mkdir src benches \
    && echo 'fn main() {}' | tee src/main.rs >benches/parts.rs \
    && touch src/lib.rs \
    && cargo build --release --locked \
    && rm -r src

# Then ours. Its files may be older than the build above, so it is said that they are new.
COPY src src
COPY proto proto
COPY migrations migrations
RUN touch src/main.rs src/lib.rs && cargo build --release --locked

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --user-group --create-home --home-dir /var/lib/tracewell \
    --shell /usr/sbin/nologin tracewell
COPY --from=build /build/target/release/tracewell /usr/local/bin/tracewell

# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /var/lib/tracewell
VOLUME /var/lib/tracewell

# Inside a container, loopback would be heard by nobody.
ENV TRACEWELL_GRPC_LISTEN=0.0.0.0:4317 \
    TRACEWELL_HTTP_LISTEN=0.0.0.0:4318 \
    TRACEWELL_WEB_LISTEN=0.0.0.0:16686
EXPOSE 4317 4318 16686

HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=3 CMD ["tracewell", "health"]
ENTRYPOINT ["tracewell"]
CMD ["serve"]
