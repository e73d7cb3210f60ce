# Ganatomy's dashboard, worker and render process under one supervisor, as an ordinary user.
#   docker build -t ganatomy .
#   docker run -p 8501:8501 -v ganatomy-store:/store ganatomy
FROM python:3.12-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends curl git \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 ganatomy \
    && install --directory --owner ganatomy --group ganatomy /store /app \
    && install --directory --mode 1777 /tmp/ganatomy-gpus

WORKDIR /app
USER ganatomy
ENV PATH=/app/.venv/bin:$PATH GANATOMY_STORE=/store PYTHONUNBUFFERED=1

# Dependencies first, so that a change of code does not install torch again.
COPY --chown=ganatomy pyproject.toml constraints.txt constraints-torch.txt README.md LICENSE ./
COPY --chown=ganatomy analysis/__init__.py analysis/
COPY --chown=ganatomy db/__init__.py db/
COPY --chown=ganatomy jobs/__init__.py jobs/
COPY --chown=ganatomy dashboard/__init__.py dashboard/
RUN python -m venv .venv \
    && pip install --no-cache-dir -c constraints.txt -c constraints-torch.txt -e '.[s3]' 'streamlit[auth]'

COPY --chown=ganatomy . .

VOLUME /store
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD curl --fail --silent http://localhost:8501/_stcore/health || exit 1
CMD ["ganatomy", "up", "--address", "0.0.0.0"]
