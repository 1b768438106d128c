# docker build -t persistence-service .
# docker run -d -p 8001:8001 -v persistence-data:/data persistence-service

# The build stage needs Node.js only: the toolchain script brings the Bun that package.json names.
FROM node:20-bookworm-slim AS build
WORKDIR /build
# A layer of its own, made again only when the packages change.
COPY package.json bun.lock bunfig.toml ./
COPY scripts/toolchain.mjs scripts/
RUN node scripts/toolchain.mjs
COPY . .
RUN npm run build && mkdir -p /build/empty

# The binary needs the C library and nothing else: no shell, no package manager.
FROM gcr.io/distroless/base-debian12:nonroot
COPY --from=build /build/dist/persistence-service /usr/local/bin/persistence-service
# A new volume takes its owner from the folder below it: 65532 is the user `nonroot`.
COPY --from=build --chown=65532:65532 /build/empty /data
ENV NODE_ENV=production HOST=0.0.0.0 DATA_DIR=/data
USER 65532:65532
VOLUME /data
EXPOSE 8001
# The service drains for up to 30 s: stop it with `docker stop --time 45`.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/persistence-service"]
CMD ["serve"]
