"""The package for AWS: the deployment bundle and its SAM template.

Chalice makes both. This package merges templates into Chalice's, removes unused files from
the bundle, and reports what AWS would reject. Nothing here calls AWS, and nothing that is
deployed imports it.
"""
