"""What is generated into a package from its deployment_config.yaml and package.json.

::

    containers/  Dockerfile  install_wheels.py  docker-compose.yml  k8s/*.yaml  (serve_recipe.py)
    monitoring/  prometheus.yml  alerts.yaml  grafana_dashboard.json
    ci-cd/       github-actions.yml  gitlab-ci.yml  deployment_pipeline.py

Each module draws one folder, or a part of it, as bytes that are a function of the two documents
alone; `tree` puts an author's own files in place of what is drawn.
"""
