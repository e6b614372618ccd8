# SPDX-License-Identifier: Apache-2.0
#
# The image of `npm run image` for those who have Docker, Podman or buildah: the same files, laid out by the same program, as one
# layer. BASE only builds and leaves nothing in the image but the C library; it is Debian or what derives from it, with npm.
# docs/image.md has the commands.

ARG BASE=docker.io/library/node:26-trixie

FROM ${BASE} AS build
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends build-essential cmake ninja-build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-progress
COPY . .
# Without a repository in here these come from outside.
ARG SOURCE_DATE_EPOCH=0
ARG REVISION=
RUN npm run image -- --root /image --out /parts/usvhost.tar

# The list of parts: --target parts --output build/image
FROM scratch AS parts
COPY --from=build /parts/ /

FROM scratch
ARG REVISION=
COPY --from=build /image/ /
ENV PATH=/bin
ENV NODE_OPTIONS="--max-semi-space-size=1 --v8-pool-size=0 --expose-gc"
ENV MALLOC_ARENA_MAX=1
ENV MALLOC_TRIM_THRESHOLD_=0
ENV MALLOC_TOP_PAD_=0
LABEL org.opencontainers.image.title="usvhost"
LABEL org.opencontainers.image.licenses="Apache-2.0"
LABEL org.opencontainers.image.revision="${REVISION}"
USER 65532:65532
ENTRYPOINT ["/bin/usvhost"]
