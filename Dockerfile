# syntax=docker/dockerfile:1
# The program `migrate` alone: one static file, and the certificates with which it checks a server's.
#
#   docker build -t migrate .
#   docker run --rm -v "$PWD/migrations_v2:/work/migrations_v2:ro" -e DATABASE_URL migrate up

FROM rust:1.95-alpine AS build
RUN apk add --no-cache ca-certificates gcc musl-dev
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package migrate-cli --bin migrate && strip target/release/migrate

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/target/release/migrate /migrate
WORKDIR /work
ENTRYPOINT ["/migrate"]
