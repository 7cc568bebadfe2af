# The broker alone, as a user of its own. Data and config come from outside:
#
#   docker build -t flux-broker .
#   docker run --read-only --cap-drop ALL -p 1883:1883 -v flux:/var/lib/flux flux-broker
#
# It writes nowhere but there, and needs no rights. It listens on all addresses of the container and, without further
# settings, lets anybody in: publish the port to whom that is meant for, or give it passwords (--passwords FILE) and leave
# --allow-anonymous out.
#
# Arguments of `docker run` take the place of those below. Where the admin listener is stands in the environment, for the broker and
# for the health check alike: change it with `-e FLUX_ADMIN=HOST:PORT`, and not with --admin, nor with [admin] in a config.
# Beyond loopback it wants a token: `-e FLUX_ADMIN_TOKEN_FILE=FILE`, which the health check shows as well.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --release --package flux-broker

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/flux --create-home flux
# Whom to believe where https is asked: key sets, auth.http, a collector.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/target/release/flux-broker /usr/local/bin/flux-broker
USER 10001
VOLUME /var/lib/flux
EXPOSE 1883
ENV FLUX_ADMIN=127.0.0.1:9883
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s CMD ["flux-broker", "health"]
ENTRYPOINT ["flux-broker"]
CMD ["--bind", "0.0.0.0", "--allow-anonymous", "--data-dir", "/var/lib/flux"]
