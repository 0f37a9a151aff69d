def read(path):
    import boto3
    bucket, key = path.split("/", 1)
    return boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
