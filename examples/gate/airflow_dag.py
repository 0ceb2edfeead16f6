"""Airflow: train only on data that the gate lets through. A failed gate fails its task; what is downstream waits."""

from __future__ import annotations

from datetime import datetime

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG("train_diabetes", schedule="@daily", start_date=datetime(2026, 1, 1), catchup=False) as dag:
    gate = BashOperator(
        task_id="gate",
        bash_command=(
            "mlslo-exporter gate /models/diabetes/monitor.yaml "
            "--data 's3://warehouse/diabetes/dt={{ ds }}/*.parquet' --out /models/diabetes/gate/{{ ds }} "
            "--notify ml-slack --routing /models/routing.yaml"
        ),
        retries=0,  # a batch that failed fails again
    )
    train = BashOperator(task_id="train", bash_command="python -m diabetes.train {{ ds }}")
    gate >> train
