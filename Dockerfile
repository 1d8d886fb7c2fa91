# Serves what `seesay export --out FOLDER` wrote, without PyTorch:
#
#     docker build -t seesay .
#     docker run --rm -p 127.0.0.1:8000:8000 -v "$PWD/FOLDER:/model:ro" seesay
#
# Whoever reaches the published port may ask. For a token, add: -v "$PWD/token:/token:ro", and after the image's name
# serve /model --host 0.0.0.0 --token-file /token
FROM python:3.11-slim

WORKDIR /seesay
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src

# What serving needs, at the versions of the constraints; of the package's other dependencies none.
RUN pip install --no-cache-dir -c constraints.txt numpy onnxruntime pillow soundfile soxr jaxtyping tyro rich \
    fastapi uvicorn uvloop httptools python-multipart prometheus-client
RUN pip install --no-cache-dir --no-deps .

RUN useradd --no-create-home --uid 10001 seesay
USER seesay
WORKDIR /

ENV OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s CMD \
    ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/ready', timeout=2)"]
ENTRYPOINT ["seesay"]
CMD ["serve", "/model", "--host", "0.0.0.0", "--public", "--workers", "2"]
