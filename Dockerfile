# The local stack, for `docker compose up`. The image can also run a relay or a sweeper for AWS,
# with another command: see docs/deploying.md.
FROM python:3.13.7-slim-bookworm

RUN useradd --uid 1000 tickless && install --directory --owner=tickless /data

WORKDIR /tickless
COPY requirements.txt requirements-local.txt ./
COPY local/gateway ./local/gateway
RUN pip install --no-cache-dir -r requirements-local.txt
COPY app.py ./
COPY .chalice/config.json ./.chalice/
COPY chalicelib ./chalicelib
COPY client/python/src ./client/python/src
COPY client/web ./client/web
COPY client/js/src ./client/js/src
COPY infra/templates/gateway_responses.json ./infra/templates/
COPY local ./local

USER 1000:1000
VOLUME /data
EXPOSE 8000 8001
# For a relay or a sweeper set HEALTH_PORT to its --metrics-port.
ENV HEALTH_PORT=8000
HEALTHCHECK --interval=10s --timeout=3s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"HEALTH_PORT\"]}/ready')"]
CMD ["python", "-m", "local", "--host", "0.0.0.0", "--data-dir", "/data"]
