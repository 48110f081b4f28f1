"""Pictures that a table names or holds: CSV and parquet of your own, and Hugging Face's parquet."""
