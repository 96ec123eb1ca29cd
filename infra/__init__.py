"""The way to AWS: the package that is deployed, and the template that deploys it.

Law: Chalice makes both. What is here is merged into its template, takes from
its bundle what no function uses, and refuses what AWS would refuse, before AWS
does. Nothing here talks to AWS, and nothing that is deployed imports it.
"""
